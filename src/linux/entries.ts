/** Reads the entries of a directory by `getdents64`, names as bytes. */

import { DT, SYSCALL } from "./constants.ts";
import { confirmedErrno, type Located, systemError } from "./errno.ts";
import { system } from "./libc.ts";

/** An entry as the directory names it; its type may have changed since. */
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
 * Receives a name, from `start` to `end` of `bytes`, which are valid during the call, and the inode that
 * it names; a number beyond 2^53 is rounded.
 */
export type NameSink = (
  bytes: Uint8Array,
  start: number,
  end: number,
  type: number,
  inode: number,
) => void;

/**
 * Reads the next entries of the directory, in the file system's order, without `.` and `..`; `undefined`
 * at the end, and where the directory has been removed. The names share a buffer that is not reused.
 * @throws {SystemError}
 */
export function readEntries(fd: number, at: Located): Entry[] | undefined {
  const length = readBatch(fd, at);
  if (length === 0) return undefined;
  const entries: Entry[] = [];
  decode(scratch!.slice(0, length), length, (bytes, start, end, type) => {
    entries.push({ name: bytes.subarray(start, end), type });
  });
  return entries;
}

/** Reads as {@link readEntries} does, without an object for each name. @returns whether there may be more. @throws {SystemError} */
export function readNames(fd: number, at: Located, sink: NameSink): boolean {
  const length = readBatch(fd, at);
  decode(scratch!, length, sink);
  return length > 0;
}

const HIGH = 2 ** 32;

/** Reads the u32 at `at`. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

/** Fills the scratch buffer. @returns how much of it; 0 at the end, and for a directory that is removed */
function readBatch(fd: number, at: Located): number {
  const buffer = scratch ??= new Uint8Array(BATCH);
  const sys = system();
  let length: number;
  while ((length = sys.getdents64(SYSCALL.getdents64, fd, buffer, BATCH)) < 0) {
    const errno = confirmedErrno();
    if (errno === "ENOENT") return 0;
    if (errno !== undefined) throw systemError(errno, "getdents64", at);
  }
  return length;
}

function decode(batch: Uint8Array, length: number, sink: NameSink): void {
  for (let at = 0; at < length;) {
    const next = at + (batch[at + RECORD_LENGTH]! | batch[at + RECORD_LENGTH + 1]! << 8);
    const start = at + NAME;
    let end = start;
    while (batch[end] !== 0) end++;
    const isSelfOrParent = batch[start] === DOT &&
      (end === start + 1 || end === start + 2 && batch[start + 1] === DOT);
    if (!isSelfOrParent) {
      sink(
        batch,
        start,
        end,
        batch[at + TYPE] ?? DT.UNKNOWN,
        word(batch, at + 4) * HIGH + word(batch, at),
      );
    }
    at = next;
  }
}
