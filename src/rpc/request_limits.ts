/**
 * Limits what one request may hold, before anything else looks at it: all work on a name, a list or a
 * nest of messages then takes bounded time.
 */

import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { DaemonError, invalid } from "../errors.ts";

/** Fields of a request's messages, all together; a download of 1,000 files has 4,000. */
export const MAX_FIELDS = 16_384;
/** Messages within each other; an initializer in a composite lies two deeper. */
export const MAX_DEPTH = 24;

/** Bytes of a text field in UTF-8. */
export const MAX_BYTES = {
  location: 4096,
  url: 8192,
  ref: 1024,
  snapshot: 4096,
  digest: 256,
  user: 1024,
  password: 65_536,
  configName: 1024,
} as const;

/** Names in a location: each may have to be made, which takes a disk a millisecond or two. */
const MAX_NAMES = 128;

/** Initializers of a request, those in composites and prebuilds included. */
export const MAX_INITIALIZERS = 256;
/** Files of one download. */
export const MAX_FILES = 1000;
/** Variables of `custom_config`. */
export const MAX_CONFIG_ENTRIES = 256;
/** Bytes of the names and values of `custom_config` together. */
export const MAX_CONFIG_BYTES = 65_536;

/**
 * Checks how many fields a request has and how deep they lie, without decoding it: an empty message
 * takes two bytes on the wire and a hundred times as many in memory.
 * @returns how many fields were looked at
 * @throws {DaemonError} INVALID_ARGUMENT naming the limit; {Error} where the bytes are malformed
 */
export function checkShape(schema: DescMessage, bytes: Uint8Array): number {
  return countFields(schema, bytes, { fields: 0, depth: 1 });
}

function countFields(
  schema: DescMessage,
  bytes: Uint8Array,
  from: { fields: number; depth: number },
): number {
  if (from.depth > MAX_DEPTH) {
    throw refused(`must not nest more than ${MAX_DEPTH} messages`);
  }
  const reader = new BinaryReader(bytes);
  let { fields } = from;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (++fields > MAX_FIELDS) {
      const size = `has more, in ${bytes.length} bytes`;
      throw refused(
        `must have at most ${MAX_FIELDS} fields: ${schema.name} ${size}`,
      );
    }
    const nested = messageOf(schema, number);
    if (!nested || wireType !== WireType.LengthDelimited) reader.skip(wireType, number);
    else fields = countFields(nested, reader.bytes(), { fields, depth: from.depth + 1 });
  }
  return fields;
}

/** Returns the error for a request that is wrong as a whole, so that no field is to be named. */
function refused(problem: string): DaemonError {
  return new DaemonError("INVALID_ARGUMENT", `the request ${problem}`);
}

/** Returns the type of message that a field holds; `undefined` for other fields. */
function messageOf(schema: DescMessage, number: number): DescMessage | undefined {
  return schema.fields.find((field) => field.number === number)?.message;
}

/** Returns `text`. @throws {DaemonError} INVALID_ARGUMENT where it has more than `limit` bytes in UTF-8 */
export function checkBytes(text: string, path: string, limit: number): string {
  const size = sizeOf(text, limit);
  if (size > limit) {
    throw invalid(path, `must be at most ${limit} bytes: current size is ${size}`);
  }
  return text;
}

/** Returns a path in the workspace. @throws {DaemonError} INVALID_ARGUMENT where it is too long or too deep */
export function checkLocation(text: string, path: string): string {
  checkBytes(text, path, MAX_BYTES.location);
  const names = text.split("/").filter((name) => name !== "" && name !== ".").length;
  if (names > MAX_NAMES) {
    throw invalid(
      path,
      `must have at most ${MAX_NAMES} names between its slashes: it has ${names}`,
    );
  }
  return text;
}

/** Checks a list's or map's size. @throws {DaemonError} INVALID_ARGUMENT for more than `limit` items */
export function checkCount(count: number, path: string, limit: number): void {
  if (count > limit) throw invalid(path, `must have at most ${limit} items: it has ${count}`);
}

/**
 * Returns the bytes of a text in UTF-8, or a number that is as surely within `limit`: each UTF-16 unit
 * takes at most three, so that most texts need not be encoded.
 */
function sizeOf(text: string, limit: number): number {
  return text.length * 3 <= limit ? text.length : new TextEncoder().encode(text).length;
}
