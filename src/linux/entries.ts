/** `getdents64`: the entries of a directory, names as bytes. */

import { DT, SYSCALL } from "./constants.ts";
import { interrupted, type Located } from "./errno.ts";
import { system } from "./libc.ts";

/** An entry as the directory names it; only `name` holds still for longer than an instant. */
export interface Entry {
  readonly name: Uint8Array;
  /** One of `DT`; `DT.UNKNOWN` on file systems that do not say. */
  readonly type: number;
}

const BATCH = 64 * 1024;
let scratch: Uint8Array<ArrayBuffer> | undefined;

/** Offsets within `struct linux_dirent64`. */
const RECORD_LENGTH = 16;
const TYPE = 18;
const NAME = 19;
const DOT = 0x2e;

/**
 * The next entries of the directory, in the file system's order, without `.` and `..`; `undefined`
 * at the end. The names share one buffer, which is theirs.
 * @throws {SystemError}
 */
export function readEntries(fd: number, at: Located): Entry[] | undefined {
  const buffer = scratch ??= new Uint8Array(BATCH);
  const sys = system();
  let length: number;
  while ((length = sys.getdents64(SYSCALL.getdents64, fd, buffer, BATCH)) < 0) {
    interrupted("getdents64", at);
  }
  return length === 0 ? undefined : decode(buffer.slice(0, length));
}

function decode(batch: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < batch.length;) {
    const next = at + (batch[at + RECORD_LENGTH]! | batch[at + RECORD_LENGTH + 1]! << 8);
    const start = at + NAME;
    let end = start;
    while (batch[end] !== 0) end++;
    const isSelfOrParent = batch[start] === DOT &&
      (end === start + 1 || end === start + 2 && batch[start + 1] === DOT);
    if (!isSelfOrParent) {
      entries.push({ name: batch.subarray(start, end), type: batch[at + TYPE] ?? DT.UNKNOWN });
    }
    at = next;
  }
  return entries;
}
