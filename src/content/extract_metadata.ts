/** What of a hostile entry's metadata is honoured, and in which order it is applied. */

import { binaryBytes, binaryString, type PaxRecords, type TarEntry } from "../archive/reader.ts";
import { type Descriptor, isErrno, timespec } from "../linux/mod.ts";

/** The bits that a foreign archive may set: no set-id ones. */
const ALLOWED_MODE = 0o1777;

const SCHILY = "SCHILY.xattr.";
const LIBARCHIVE = "LIBARCHIVE.xattr.";

/** Metadata of a file or directory. */
export interface Metadata {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint;
  /** By name, one character a byte; only names that start with `user.`. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** The part of an entry's metadata that is applied: set-id bits and privileged attributes are not. */
export function metadataOf(entry: TarEntry): Metadata {
  return {
    uid: entry.uid,
    gid: entry.gid,
    mode: entry.mode & ALLOWED_MODE,
    mtime: entry.mtime,
    xattrs: entry.pax.size === 0 ? NO_XATTRS : userXattrs(entry.pax),
  };
}

/**
 * The extended attributes of the `user` namespace, as GNU tar and star write them (`SCHILY.xattr.`,
 * with `%3D` and `%25` for what a keyword cannot hold) and as libarchive does (`LIBARCHIVE.xattr.`,
 * percent-encoded names, base64 values).
 */
function userXattrs(pax: PaxRecords): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const [keyword, value] of pax) {
    if (!keyword.startsWith(LIBARCHIVE)) continue;
    const name = keyword.slice(LIBARCHIVE.length)
      .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    const decoded = base64(value);
    if (decoded) found.set(name, decoded);
  }
  for (const [keyword, value] of pax) {
    if (!keyword.startsWith(SCHILY)) continue;
    const name = keyword.slice(SCHILY.length)
      .replace(/%3D|%25/gi, (code) => code === "%25" ? "%" : "=");
    found.set(name, value);
  }
  for (const name of found.keys()) {
    if (!name.startsWith("user.") || name.includes("\0")) found.delete(name);
  }
  return found;
}

/** What its extended attributes take, names and values. */
export function xattrBytes({ xattrs }: Metadata): number {
  let bytes = 0;
  for (const [name, value] of xattrs) bytes += name.length + value.length;
  return bytes;
}

function base64(value: Uint8Array): Uint8Array | undefined {
  try {
    return binaryBytes(atob(binaryString(value)));
  } catch {
    return undefined;
  }
}

/**
 * Applies metadata to an open file or directory: the owner first, because changing it cuts the mode;
 * attributes while the mode still lets us; the times last.
 * @param owners whether the process may give files away; what it restores is its own otherwise
 * @throws {SystemError}
 */
export function applyMetadata(target: Descriptor, metadata: Metadata, owners: boolean): void {
  if (owners) target.chown(metadata.uid, metadata.gid);
  for (const [name, value] of metadata.xattrs) {
    try {
      target.setXattr(binaryBytes(name), value);
    } catch (error) {
      // A file system without attributes takes the rest all the same, as it does for every tool.
      if (!isErrno(error, "EOPNOTSUPP")) throw error;
    }
  }
  target.chmod(metadata.mode);
  target.setTimes(timespec(metadata.mtime));
}
