/** PAX extended headers: `<length> <keyword>=<value>\n` records (POSIX.1-2001, pax, "Extended Header"). */

import { ArchiveError } from "./archive_error.ts";
import { decimalCount } from "./numbers.ts";

/**
 * Records by keyword. Keywords are binary strings, one character a byte, so that any attribute name
 * survives; those of ASCII read as themselves. Values are raw bytes.
 */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

/** One extended header's records. */
export interface PaxHeader {
  readonly records: Map<string, Uint8Array>;
  /** Values of the repeated records of a GNU 0.0 sparse map: offset, length, offset, … */
  readonly sparsePairs: number[];
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const MAX_LENGTH_DIGITS = 10;

/** Returns bytes as a string with one character for each. */
export function binaryString(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return text;
}

/** Returns the bytes that {@link binaryString} made a string of. */
export function binaryBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function malformed(why: string): ArchiveError {
  return new ArchiveError("malformed", `a PAX record is malformed: ${why}`);
}

function recordEnd(body: Uint8Array, at: number, space: number): number {
  if (space <= at || space - at > MAX_LENGTH_DIGITS) throw malformed("it has no length");
  const end = at + decimalCount(body.subarray(at, space), "the length of a PAX record");
  if (end > body.length || end <= space + 1) throw malformed("its length leaves the header");
  if (body[end - 1] !== NEWLINE) throw malformed("it does not end with a newline");
  return end;
}

function addSparse(pairs: number[], keyword: string, value: Uint8Array): void {
  const expected = pairs.length % 2 === 0 ? "GNU.sparse.offset" : "GNU.sparse.numbytes";
  if (keyword !== expected) throw malformed(`${keyword} stands where ${expected} belongs`);
  pairs.push(decimalCount(value, keyword));
}

/** Parses an extended header's body. @throws {ArchiveError} */
export function parsePax(body: Uint8Array): PaxHeader {
  const records = new Map<string, Uint8Array>();
  const sparsePairs: number[] = [];
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(SPACE, at);
    const end = recordEnd(body, at, space);
    const equals = body.indexOf(EQUALS, space + 1);
    if (equals === -1 || equals >= end || equals === space + 1) {
      throw malformed("it has no keyword");
    }
    const keyword = binaryString(body.subarray(space + 1, equals));
    const value = body.slice(equals + 1, end - 1);
    if (keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes") {
      addSparse(sparsePairs, keyword, value);
    } else {
      records.set(keyword, value);
    }
    at = end;
  }
  return { records, sparsePairs };
}

/** Returns whether an empty value of a keyword is a value; for others it removes the record (POSIX). */
function mayBeEmpty(keyword: string): boolean {
  return keyword.startsWith("SCHILY.xattr.") || keyword.startsWith("LIBARCHIVE.xattr.") ||
    !/^(GNU|SCHILY|LIBARCHIVE)\.|^[a-z]+$/.test(keyword);
}

/** Returns the records that hold for an entry: its own over the global ones. */
export function mergePax(globals: PaxRecords, own: PaxRecords): PaxRecords {
  const merged = new Map(globals);
  for (const [keyword, value] of own) merged.set(keyword, value);
  for (const [keyword, value] of merged) {
    if (value.length === 0 && !mayBeEmpty(keyword)) merged.delete(keyword);
  }
  return merged;
}
