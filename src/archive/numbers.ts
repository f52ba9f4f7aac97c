/** Parses the numbers of tar headers (octal, base-256) and PAX records (decimal). */

import { ArchiveError } from "./archive_error.ts";

const SPACE = 0x20;
const ZERO = 0x30;

/** Returns whether a byte is white space as C's `isspace` has it: a space, or tab to carriage return. */
const isSpace = (byte: number | undefined) =>
  byte === SPACE || byte !== undefined && byte >= 0x09 && byte <= 0x0d;

/** The range of a `time_t` of 64 bits, in seconds. */
const MIN_SECONDS = -(2n ** 63n);
const MAX_SECONDS = 2n ** 63n - 1n;

function bad(what: string, why: string): ArchiveError {
  return new ArchiveError("malformed", `${what} ${why}`);
}

/**
 * Parses base-256, which GNU tar and star write for what octal cannot hold: big-endian two's
 * complement, top bit set.
 */
function base256(field: Uint8Array): bigint {
  const first = field[0]! & 0x7f;
  let value = BigInt(first & 0x40 ? first - 0x80 : first);
  for (let i = 1; i < field.length; i++) value = (value << 8n) | BigInt(field[i]!);
  return value;
}

/**
 * Parses an octal number between white space, as GNU tar does: after one NUL that some writers begin
 * with, up to white space or a NUL, whatever follows that. Blank fields are 0, as most tools read
 * them. Twelve digits are 36 bits, so that no field exceeds what a number holds.
 */
function octal(field: Uint8Array, what: string): number {
  let at = field[0] === 0 ? 1 : 0;
  while (at < field.length && isSpace(field[at])) at++;
  let value = 0;
  for (; at < field.length; at++) {
    const digit = field[at]! - ZERO;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (at < field.length && !isSpace(field[at]) && field[at] !== 0) {
    throw bad(what, "is not an octal number");
  }
  return value;
}

/**
 * Parses a numeric header field, octal or base-256.
 * @throws {ArchiveError} for anything that is not a number, or does not fit 53 bits.
 */
export function headerNumber(field: Uint8Array, what: string): number {
  if ((field[0]! & 0x80) === 0) return octal(field, what);
  const value = base256(field);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw bad(what, `is out of range: ${value}`);
  return number;
}

/** Parses a header's time, in seconds since the epoch. @throws {ArchiveError} beyond 64 bits */
export function headerTime(field: Uint8Array, what: string): bigint {
  if ((field[0]! & 0x80) === 0) return BigInt(octal(field, what));
  return secondsInRange(base256(field), what);
}

function secondsInRange(seconds: bigint, what: string): bigint {
  if (seconds >= MIN_SECONDS && seconds <= MAX_SECONDS) return seconds;
  throw bad(what, `is out of range: ${seconds}`);
}

/** Parses a numeric header field that cannot be negative. @throws {ArchiveError} */
export function headerCount(field: Uint8Array, what: string): number {
  const value = headerNumber(field, what);
  if (value < 0) throw bad(what, `is negative: ${value}`);
  return value;
}

const ascii = new TextDecoder("latin1");

/** Parses a non-negative decimal, as in PAX `size` and sparse maps. @throws {ArchiveError} */
export function decimalCount(text: Uint8Array, what: string): number {
  // 17 digits are more than 53 bits can hold; leading zeros do not make a number longer.
  const match = text.length <= 40 ? /^0*([0-9]{1,17})$/.exec(ascii.decode(text)) : null;
  if (!match) throw bad(what, "is not a decimal number in range");
  const value = Number(match[1]);
  if (!Number.isSafeInteger(value)) throw bad(what, `is out of range: ${match[1]}`);
  return value;
}

/**
 * Parses a PAX time: decimal seconds, maybe negative, maybe with a fraction. What follows the number is
 * ignored, as GNU tar and libarchive do it: writers in languages that print small or large numbers
 * with an exponent leave `1e-05` and `1e+18`, of which every tool takes the `1`.
 * @returns nanoseconds, rounded down
 * @throws {ArchiveError} if it does not begin with a number, or its seconds exceed 64 bits
 */
export function decimalTime(text: Uint8Array, what: string): bigint {
  const match = text.length <= 128
    ? /^(-?)([0-9]{1,100})(?:\.([0-9]*))?/.exec(ascii.decode(text))
    : null;
  if (!match) throw bad(what, "is not a decimal time");
  const fraction = match[3] ?? "";
  const sign = match[1] === "" ? 1n : -1n;
  const seconds = secondsInRange(sign * BigInt(match[2]!), what);
  const nanoseconds = BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  const rounding = sign < 0 && /[1-9]/.test(fraction.slice(9)) ? 1n : 0n;
  return seconds * 1_000_000_000n + sign * nanoseconds - rounding;
}
