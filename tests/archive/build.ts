/** Tar archives by hand: for what no honest tool would write. */

import { joinBytes } from "../../src/archive/bytes.ts";

export type Bytes = string | Uint8Array;

/** Header fields; numbers are written in octal, byte strings as they are. */
export interface Fields {
  name?: Bytes;
  mode?: number | Bytes;
  uid?: number | Bytes;
  gid?: number | Bytes;
  size?: number | Bytes;
  mtime?: number | Bytes;
  type?: string;
  link?: Bytes;
  /** Default `ustar\0` `00`; `gnu` or `v7` for the others. */
  magic?: Bytes;
  prefix?: Bytes;
  major?: number | Bytes;
  minor?: number | Bytes;
  /** Default the right one. */
  checksum?: Bytes;
  /** Written over the finished block before it is summed. */
  patch?: readonly (readonly [offset: number, bytes: Bytes])[];
}

export const GNU_MAGIC = "ustar  \0";
export const V7_MAGIC = "\0\0\0\0\0\0\0\0";

export const utf8 = (value: Bytes): Uint8Array =>
  typeof value === "string" ? new TextEncoder().encode(value) : value;

/** A header block. */
export function header(fields: Fields): Uint8Array {
  const block = new Uint8Array(512);
  const put = (at: number, value: Bytes) => block.set(utf8(value), at);
  const number = (at: number, width: number, value: number | Bytes | undefined) =>
    put(
      at,
      typeof value === "number" || value === undefined
        ? (value ?? 0).toString(8).padStart(width - 1, "0") + "\0"
        : value,
    );
  put(0, fields.name ?? "");
  number(100, 8, fields.mode ?? 0o644);
  number(108, 8, fields.uid);
  number(116, 8, fields.gid);
  number(124, 12, fields.size);
  number(136, 12, fields.mtime ?? 1_000_000_000);
  put(156, fields.type ?? "0");
  put(157, fields.link ?? "");
  put(257, fields.magic ?? "ustar\x0000");
  number(329, 8, fields.major);
  number(337, 8, fields.minor);
  put(345, fields.prefix ?? "");
  for (const [at, bytes] of fields.patch ?? []) put(at, bytes);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, fields.checksum ?? sum.toString(8).padStart(6, "0") + "\0 ");
  return block;
}

/** Content padded to whole blocks. */
export function padded(content: Bytes): Uint8Array {
  const bytes = utf8(content);
  const block = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  block.set(bytes);
  return block;
}

/** A header with its content. */
export function entry(fields: Fields, content: Bytes = ""): Uint8Array {
  const size = utf8(content).length;
  return joinBytes(header({ size, ...fields }), padded(content));
}

/** One PAX record. */
export function record(keyword: Bytes, value: Bytes): Uint8Array {
  const rest = joinBytes(utf8(" "), utf8(keyword), utf8("="), utf8(value), utf8("\n"));
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return joinBytes(utf8(String(length)), rest);
}

/** A PAX extended header, `g` for a global one. */
export function pax(records: Record<string, Bytes> | Uint8Array, type = "x"): Uint8Array {
  const body = records instanceof Uint8Array
    ? records
    : joinBytes(...Object.entries(records).map(([keyword, value]) => record(keyword, value)));
  return entry({ name: "pax", type }, body);
}

/** GNU's long name (`L`) or link target (`K`). */
export function long(type: "L" | "K", name: Bytes): Uint8Array {
  const content = joinBytes(utf8(name), new Uint8Array(1));
  return entry({ name: "././@LongLink", type, magic: GNU_MAGIC }, content);
}

/** The parts with an end marker. */
export function archive(...parts: Uint8Array[]): Uint8Array {
  return joinBytes(...parts, new Uint8Array(1024));
}

/** GNU's and star's base-256 encoding in a field of `width` bytes. */
export function base256(value: bigint, width: number): Uint8Array {
  const bytes = new Uint8Array(width);
  let rest = BigInt.asUintN(8 * width, value);
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = bytes[0]! | 0x80;
  return bytes;
}
