/** Numbers as tar headers (octal, base-256) and PAX records (decimal) write them. */

import { ArchiveError } from "./error.ts";

const SPACE = 0x20;
const ZERO = 0x30;

function bad(what: string, why: string): ArchiveError {
  return new ArchiveError("malformed", `${what} ${why}`);
}

/** Base-256, as GNU tar and star write what octal cannot: big-endian two's complement, top bit set. */
function base256(field: Uint8Array, what: string): number {
  const first = field[0]! & 0x7f;
  let value = BigInt(first & 0x40 ? first - 0x80 : first);
  for (let i = 1; i < field.length; i++) value = (value << 8n) | BigInt(field[i]!);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw bad(what, `is out of range: ${value}`);
  return number;
}

/**
 * A numeric header field; blank fields are 0, as everyone reads them.
 * @throws {ArchiveError} for anything that is not a number, or does not fit 53 bits.
 */
export function headerNumber(field: Uint8Array, what: string): number {
  if (field[0]! & 0x80) return base256(field, what);
  let at = 0;
  while (at < field.length && field[at] === SPACE) at++;
  let value = 0;
  for (; at < field.length; at++) {
    const digit = field[at]! - ZERO;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (at < field.length && field[at] !== SPACE && field[at] !== 0) {
    throw bad(what, "is not an octal number");
  }
  return value;
}

/** The same for what cannot be negative. @throws {ArchiveError} */
export function headerCount(field: Uint8Array, what: string): number {
  const value = headerNumber(field, what);
  if (value < 0) throw bad(what, `is negative: ${value}`);
  return value;
}

const ascii = new TextDecoder("latin1");

/** A non-negative decimal, as in PAX `size` and sparse maps. @throws {ArchiveError} */
export function decimalCount(text: Uint8Array, what: string): number {
  // 17 digits are more than 53 bits can hold; leading zeros do not make a number longer.
  const match = text.length <= 40 ? /^0*([0-9]{1,17})$/.exec(ascii.decode(text)) : null;
  if (!match) throw bad(what, "is not a decimal number in range");
  const value = Number(match[1]);
  if (!Number.isSafeInteger(value)) throw bad(what, `is out of range: ${match[1]}`);
  return value;
}

/** A PAX time: decimal seconds, maybe negative, maybe with a fraction. @returns nanoseconds, rounded down. */
export function decimalTime(text: Uint8Array, what: string): bigint {
  const match = text.length <= 128
    ? /^(-?)([0-9]{1,16})(?:\.([0-9]*))?$/.exec(ascii.decode(text))
    : null;
  if (!match) throw bad(what, "is not a decimal time in range");
  const fraction = match[3] ?? "";
  const nanoseconds = BigInt(match[2]!) * 1_000_000_000n +
    BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return nanoseconds;
  return /[1-9]/.test(fraction.slice(9)) ? -nanoseconds - 1n : -nanoseconds;
}
