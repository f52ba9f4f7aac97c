/** Compares the blocks of one directory, byte by byte. */

import { Buffer } from "node:buffer";
import type { Block } from "./block.ts";
import { HEAD, LOCAL_FIELDS, RECORD } from "./layout.ts";

/** Returns whether two blocks say the same in every respect. */
export function isSameBlock(a: Block, b: Block): boolean {
  return a.length === b.length && isSameRange(a, b, 0, a.length);
}

/** Returns whether two blocks say the same but for what only this node knows. */
export function isSameInIndex(a: Block, b: Block): boolean {
  if (a.length !== b.length || a.count !== b.count) return false;
  const heap = HEAD.size + (a.count + 1) * RECORD;
  if (!isSameRange(a, b, 0, HEAD.sockets) || !isSameRange(a, b, heap, a.length)) return false;
  for (let at: number = HEAD.size; at < heap; at += RECORD) {
    if (!isSameRange(a, b, at, at + LOCAL_FIELDS)) return false;
  }
  return true;
}

function isSameRange(a: Block, b: Block, start: number, end: number): boolean {
  return Buffer.compare(
    a.memory.bytes.subarray(a.at + start, a.at + end),
    b.memory.bytes.subarray(b.at + start, b.at + end),
  ) === 0;
}
