import type { Extent } from "../extent.ts";
import type { ChunkList, Xattr } from "../image/mod.ts";
import { SLASH, type Timespec } from "../linux/mod.ts";

/** Kinds of entries of an image. */
export type ImageEntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "fifo"
  | "character-device"
  | "block-device";

/** Where a file's content is: `stored` bytes from `offset` of a layer's uncompressed tar. */
export interface ContentLocation {
  /** Number in the table of the index; without an index from 0 for the lowest. */
  readonly layer: number;
  readonly offset: number;
  readonly stored: number;
  /**
   * The form of the stored bytes: the file as it is, a GNU sparse map (version 1.0) and then the data,
   * or the data of these extents one after the other.
   */
  readonly form: "plain" | "mapped" | readonly Extent[];
  /** The chunks whose bytes these are, one after the other; then there is no one layer or offset. */
  readonly chunks?: ChunkList;
}

/** One entry of an image. */
export interface ImageEntry {
  /** Relative, without slashes at its ends; empty for the top folder. */
  readonly path: Uint8Array;
  /** `hardlink` for every name of an inode but the first in the tree's order. */
  readonly type: ImageEntryType;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timespec;
  /** Bytes of a file, holes included, under each of its names; else 0. */
  readonly size: number;
  /** A symlink's target; for a hard link the path of its inode's first name. */
  readonly link?: Uint8Array;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs: readonly Xattr[];
  /** Where the content of a file is. */
  readonly content?: ContentLocation;
}

/** The entries of an image. */
export interface ImageTree {
  /** Returns all entries, in order. */
  entries(): Iterable<ImageEntry>;
  /** Returns the entry at a path, a hard link as its file; `undefined` where there is none. */
  find(path: Uint8Array): ImageEntry | undefined;
}

/** Returns whether `path` is `folder` or lies below it. */
export function isWithin(path: Uint8Array, folder: Uint8Array): boolean {
  if (folder.length === 0) return true;
  if (path.length < folder.length) return false;
  for (let i = 0; i < folder.length; i++) if (path[i] !== folder[i]) return false;
  return path.length === folder.length || path[folder.length] === SLASH;
}

/** Orders paths so that all below a directory comes before what is not. */
export function comparePaths(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    // No name has a NUL, so that 0 in place of a slash comes before every byte of a name.
    const x = a[i] === SLASH ? 0 : a[i]!;
    const y = b[i] === SLASH ? 0 : b[i]!;
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}
