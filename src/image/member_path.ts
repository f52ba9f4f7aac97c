import { binaryString } from "../archive/mod.ts";
import { DaemonError } from "../errors.ts";
import { NAME_MAX, SLASH } from "../linux/mod.ts";

const DOT = 0x2e;

/**
 * Maximum number of components of a name in a foreign archive. Programs pass paths of at most 4,095
 * bytes to the kernel, so that deeper trees are hardly made but by design: to have every entry opened
 * through thousands of directories, which costs the archive nothing.
 */
export const MAX_FOREIGN_DEPTH = 1000;

/** A member's place in the tree: no empty component, no `.`, no `..`. */
export class MemberPath {
  /**
   * @param bytes the components with a `/` between them; empty for the tree's top
   * @param depth how many components there are
   */
  constructor(readonly bytes: Uint8Array, readonly depth: number) {}

  /** The last component; empty for the tree's top. */
  get name(): Uint8Array {
    return this.bytes.subarray(this.bytes.lastIndexOf(SLASH) + 1);
  }

  /** The path of the directory that it is in; empty for the tree's top. */
  get parent(): Uint8Array {
    return this.bytes.subarray(0, Math.max(0, this.bytes.lastIndexOf(SLASH)));
  }

  /** The path as a key of a map or set, one character a byte. */
  get key(): string {
    return binaryString(this.bytes);
  }
}

/**
 * Returns the path that an entry's or a hard link's name means, as GNU tar takes it: leading slashes
 * are dropped, so that an absolute name lies within the tree; `.` and empty components are ignored.
 * @param what the name's role, for messages
 * @param maxDepth maximum number of components
 * @throws {DaemonError} FAILED_PRECONDITION for `..`, and for what no file system can hold
 */
export function memberPath(name: Uint8Array, what: string, maxDepth: number): MemberPath {
  if (name.length === 0) throw refusal(`its ${what} is empty`);
  const bytes = new Uint8Array(name.length);
  let length = 0;
  let depth = 0;
  // A byte at a time and without a view of each component: a name may have thousands.
  for (let start = 0, end = 0; end <= name.length; end++) {
    if (end < name.length && name[end] !== SLASH) continue;
    const from = start;
    const size = end - from;
    start = end + 1;
    if (size === 0 || size === 1 && name[from] === DOT) continue;
    if (size === 2 && name[from] === DOT && name[from + 1] === DOT) {
      throw refusal(`its ${what} contains "..", which could lead out of the workspace`);
    }
    if (size > NAME_MAX) {
      throw refusal(`its ${what} has a component of more than ${NAME_MAX} bytes`);
    }
    if (depth === maxDepth) throw refusal(`its ${what} is more than ${maxDepth} directories deep`);
    if (depth++ > 0) bytes[length++] = SLASH;
    for (let at = from; at < end; at++) bytes[length++] = name[at]!;
  }
  return new MemberPath(bytes.subarray(0, length), depth);
}

/** Yields the components of a path; a single empty one for an empty path. */
export function* componentsOf(path: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(SLASH, start);
    const end = slash === -1 ? path.length : slash;
    yield path.subarray(start, end);
    start = end + 1;
  }
}

/** Returns the failure of an archive that asks for something that is refused. */
export function refusal(why: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", why, { reason: "ARCHIVE_INVALID" });
}
