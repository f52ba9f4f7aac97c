/** Makes tar headers for entries of a tree, escaping names that would be whiteouts. */

import {
  escapePath,
  VENDOR,
  whiteoutPath,
  type WrittenEntry,
  type WrittenType,
} from "../archive/mod.ts";
import type { Timespec } from "../linux/mod.ts";
import type { Xattr } from "./layout.ts";
import { xattrRecords } from "./xattr_records.ts";

/** An entry as it is written; its paths are those of the tree, not escaped. */
export interface TreeEntry {
  readonly type: WrittenType;
  readonly path: Uint8Array;
  readonly link?: Uint8Array | undefined;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timespec;
  /** Bytes that follow the header. */
  readonly size: number;
  readonly sparseSize?: number;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  readonly xattrs?: readonly Xattr[] | undefined;
}

const TOP = Uint8Array.of(0x2e);

/** Returns the header of an entry. */
export function tarEntry(entry: TreeEntry): WrittenEntry {
  const { type, mode, uid, gid, mtime, size, xattrs, link, sparseSize, device } = entry;
  const path = entry.path.length === 0 ? TOP : escapePath(entry.path);
  // A symlink's target is plain text; a hard link's names an entry of the archive.
  const target = link && entry.type === "link" ? escapePath(link) : link;
  const records = xattrs?.length ? xattrRecords(xattrs) : [];
  if (path !== entry.path && entry.path.length > 0) {
    records.push({ key: VENDOR.path, value: entry.path });
  }
  if (link && target !== link) records.push({ key: VENDOR.linkPath, value: link });
  return { type, path, link: target, mode, uid, gid, mtime, size, sparseSize, device, records };
}

/** Returns the header of a whiteout. @param path the tree's path that it removes */
export function whiteoutEntry(path: Uint8Array): WrittenEntry {
  const isReal = escapePath(path) === path;
  return {
    type: "file",
    path: whiteoutPath(path),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { sec: 0, nsec: 0 },
    ...(isReal ? {} : { records: [{ key: VENDOR.whiteout, value: path }] }),
  };
}
