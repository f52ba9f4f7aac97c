/**
 * Encodes tar headers: POSIX ustar, with PAX records for what a ustar header cannot say and GNU's
 * long-name members for long names that are not UTF-8 (PAX paths are text; every reader takes GNU's
 * as bytes). Formats: POSIX.1-2001 `pax`, "ustar Interchange Format" and "pax Header Block"; GNU
 * tar's manual, "Storing Sparse Files" (PAX, version 1.0) and "GNU Extended Format".
 */

import { asciiBytes, isUtf8, joinBytes } from "./bytes.ts";
import { PaxWriter } from "./pax_writer.ts";
import { BLOCK } from "./raw_header.ts";

/** Kinds of entries that are written. */
export type WrittenType =
  | "file"
  | "link"
  | "symlink"
  | "character"
  | "block"
  | "directory"
  | "fifo";

const TYPE_FLAGS: Record<WrittenType, number> = {
  file: 0x30,
  link: 0x31,
  symlink: 0x32,
  character: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
};

/** The content of one header. Names are bytes, relative, without a trailing slash. */
export interface WrittenEntry {
  readonly type: WrittenType;
  readonly path: Uint8Array;
  /** Target of a link or symlink. */
  readonly link?: Uint8Array | undefined;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow the header; for a sparse file, its map and its data. */
  readonly size: number;
  readonly mtime: { readonly sec: number; readonly nsec: number };
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  /** Size of a sparse file with its holes; its content then starts with a map (version 1.0). */
  readonly sparseSize?: number | undefined;
  /** Further PAX records: extended attributes, vendor records. */
  readonly records?: readonly { readonly key: string; readonly value: Uint8Array }[];
}

/** Returns the bytes of padding that follow `size` bytes of content. */
export function paddingOf(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

const MAX_NAME = 100;
const MAX_PREFIX = 155;
/** The largest numbers of 7 and 11 octal digits. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;
const SLASH = 0x2f;
const TRAILING_SLASH = Uint8Array.of(SLASH);
const EXTENDED = 0x78;
const GNU_LONG_NAME = 0x4c;
const GNU_LONG_LINK = 0x4b;

const MAGIC = asciiBytes("ustar\x0000");
const EXTENSION_NAME = asciiBytes("././@PaxHeader");
const LONG_NAME = asciiBytes("././@LongLink");
const SPARSE_FOLDER = asciiBytes("GNUSparseFile.0/");
const EMPTY = new Uint8Array(0);

/** Encodes headers into a buffer of its own. */
export class HeaderEncoder {
  #buffer = new Uint8Array(16 * BLOCK);
  #words = new Uint32Array(this.#buffer.buffer);
  #length = 0;
  readonly #records = new PaxWriter();
  /** The header of the last PAX records. Most have the same length, and then the same header. */
  readonly #extension = new Uint8Array(BLOCK);
  #extensionSize = -1;

  /** Returns the header, preceded by the headers that extend it; valid until the next call. */
  encode(entry: WrittenEntry): Uint8Array {
    this.#length = 0;
    const name = this.#fields(entry);
    const link = entry.link ? this.#link(entry.link) : EMPTY;
    const body = this.#records.take();
    if (body.length > 0) {
      this.#extensionHeader(body.length);
      this.#padded(body);
    }
    this.#header(name.name, {
      typeFlag: TYPE_FLAGS[entry.type],
      prefix: name.prefix,
      link,
      mode: entry.mode,
      uid: atMost(entry.uid, MAX_ID),
      gid: atMost(entry.gid, MAX_ID),
      size: atMost(entry.size, MAX_SIZE),
      mtime: atMost(Math.max(entry.mtime.sec, 0), MAX_SIZE),
      device: entry.device,
    });
    return this.#buffer.subarray(0, this.#length);
  }

  #extensionHeader(size: number): void {
    if (size === this.#extensionSize) {
      const at = this.#reserve(BLOCK);
      this.#buffer.set(this.#extension, at);
      return;
    }
    const at = this.#length;
    this.#header(EXTENSION_NAME, { typeFlag: EXTENDED, size });
    this.#extension.set(this.#buffer.subarray(at, at + BLOCK));
    this.#extensionSize = size;
  }

  /** Collects the PAX records that the entry needs; returns what goes in the name fields. */
  #fields(entry: WrittenEntry): { name: Uint8Array; prefix: Uint8Array } {
    const records = this.#records;
    const { sec, nsec } = entry.mtime;
    if (nsec !== 0 || sec < 0 || sec > MAX_SIZE) records.addTime("mtime", sec, nsec);
    if (entry.size > MAX_SIZE) records.add("size", String(entry.size));
    if (entry.uid > MAX_ID) records.add("uid", String(entry.uid));
    if (entry.gid > MAX_ID) records.add("gid", String(entry.gid));
    if (entry.sparseSize !== undefined) {
      // Without this record libarchive takes names for UTF-8; other readers ignore it.
      if (!isUtf8(entry.path)) records.add("hdrcharset", "BINARY");
      records.add("GNU.sparse.major", "1");
      records.add("GNU.sparse.minor", "0");
      records.addBytes("GNU.sparse.name", entry.path);
      records.add("GNU.sparse.realsize", String(entry.sparseSize));
    }
    if (entry.records) { for (const { key, value } of entry.records) records.addBytes(key, value); }
    if (entry.sparseSize !== undefined) {
      return { name: joinBytes(SPARSE_FOLDER, lastComponent(entry.path)), prefix: EMPTY };
    }
    return this.#name(entry);
  }

  #name(entry: WrittenEntry): { name: Uint8Array; prefix: Uint8Array } {
    const path = entry.type === "directory" ? joinBytes(entry.path, TRAILING_SLASH) : entry.path;
    if (path.length <= MAX_NAME) return { name: path, prefix: EMPTY };
    const at = splitAt(path);
    if (at !== undefined) return { name: path.subarray(at + 1), prefix: path.subarray(0, at) };
    if (isUtf8(path)) this.#records.addBytes("path", path);
    else this.#long(GNU_LONG_NAME, path);
    return { name: path, prefix: EMPTY };
  }

  #link(target: Uint8Array): Uint8Array {
    if (target.length > MAX_NAME) {
      if (isUtf8(target)) this.#records.addBytes("linkpath", target);
      else this.#long(GNU_LONG_LINK, target);
    }
    return target;
  }

  /** Appends a GNU member that holds a name, NUL-terminated. */
  #long(typeFlag: number, name: Uint8Array): void {
    this.#header(LONG_NAME, { typeFlag, size: name.length + 1 });
    this.#padded(joinBytes(name, Uint8Array.of(0)));
  }

  #padded(content: Uint8Array): void {
    const padding = paddingOf(content.length);
    const at = this.#reserve(content.length + padding);
    this.#buffer.set(content, at);
    this.#buffer.fill(0, at + content.length, at + content.length + padding);
  }

  #reserve(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#words = new Uint32Array(grown.buffer, 0, grown.length >> 2);
    }
    this.#length = needed;
    return at;
  }

  #header(name: Uint8Array, fields: HeaderFields): void {
    const at = this.#reserve(BLOCK);
    const out = this.#buffer;
    out.fill(0, at, at + BLOCK);
    setField(out, at, name, MAX_NAME);
    octal(out, at + 100, 7, fields.mode ?? 0o644);
    octal(out, at + 108, 7, fields.uid ?? 0);
    octal(out, at + 116, 7, fields.gid ?? 0);
    octal(out, at + 124, 11, fields.size);
    octal(out, at + 136, 11, fields.mtime ?? 0);
    out[at + 156] = fields.typeFlag;
    if (fields.link) setField(out, at + 157, fields.link, MAX_NAME);
    out.set(MAGIC, at + 257);
    octal(out, at + 329, 7, fields.device?.major ?? 0);
    octal(out, at + 337, 7, fields.device?.minor ?? 0);
    if (fields.prefix) setField(out, at + 345, fields.prefix, MAX_PREFIX);
    octal(out, at + 148, 6, checksum(this.#words, at / 4));
    out[at + 155] = 0x20;
  }
}

interface HeaderFields {
  typeFlag: number;
  size: number;
  prefix?: Uint8Array;
  link?: Uint8Array;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  device?: WrittenEntry["device"] | undefined;
}

/** Returns a field's number: 0 for one that does not fit and is in a PAX record, as POSIX asks. */
function atMost(value: number, max: number): number {
  return value <= max ? value : 0;
}

function setField(out: Uint8Array, at: number, value: Uint8Array, width: number): void {
  out.set(value.length > width ? value.subarray(0, width) : value, at);
}

/** The first number that ten octal digits cannot hold. */
const LOW_DIGITS = 8 ** 10;

function octal(out: Uint8Array, at: number, digits: number, value: number): void {
  // Ten digits are 30 bits, which an integer of V8 has room for; what is above them comes first.
  let rest = value % LOW_DIGITS;
  const high = (value - rest) / LOW_DIGITS;
  for (let i = at + digits - 1; i >= at; i--) {
    out[i] = 0x30 + (rest & 7);
    rest >>>= 3;
    if (i === at + digits - 10) rest = high;
  }
}

/** Returns the checksum of the header at word `at`; its own eight bytes, zero so far, count as blanks. */
function checksum(words: Uint32Array, at: number): number {
  // Two sums of 16 bits side by side, which a header cannot overflow.
  let sum = 0;
  for (let i = at; i < at + BLOCK / 4; i++) {
    const word = words[i]!;
    sum += (word & 0x00ff00ff) + (word >>> 8 & 0x00ff00ff);
  }
  return 8 * 0x20 + (sum & 0xffff) + (sum >>> 16);
}

/** Returns the slash that divides a long path into a prefix and a name that fit; `undefined` if none does. */
function splitAt(path: Uint8Array): number | undefined {
  if (path.length > MAX_PREFIX + 1 + MAX_NAME) return undefined;
  // A name must not be empty: a directory's own trailing slash does not count.
  const last = Math.min(MAX_PREFIX, path.length - 2);
  for (let at = last; at > 0 && at >= path.length - 1 - MAX_NAME; at--) {
    if (path[at] === SLASH) return at;
  }
  return undefined;
}

function lastComponent(path: Uint8Array): Uint8Array {
  return path.subarray(path.lastIndexOf(SLASH) + 1);
}
