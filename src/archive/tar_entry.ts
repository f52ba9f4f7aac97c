/** Puts tar entries together from a header and the extension headers before it. */

import type { Extent } from "../extent.ts";
import { ArchiveError, showName } from "./archive_error.ts";
import type { RawHeader } from "./raw_header.ts";
import { decimalCount, decimalTime } from "./numbers.ts";
import type { PaxRecords } from "./pax_reader.ts";

/** Kinds of entries. */
export type TarEntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "fifo"
  | "character-device"
  | "block-device";

/** One entry of an archive. Names are as the archive has them: any bytes but NUL, nothing resolved. */
export interface TarEntry {
  /** Where its own header block begins, in bytes of the uncompressed archive. */
  readonly offset: number;
  readonly type: TarEntryType;
  readonly path: Uint8Array;
  /** Target of a symlink, or the earlier entry that a hard link names; else empty. */
  readonly linkPath: Uint8Array;
  /** The twelve permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the epoch, maybe negative. */
  readonly mtime: bigint;
  /** Bytes of the extracted file, holes included; 0 for what is no file (a hard link may carry some). */
  readonly size: number;
  /** Bytes that `read` will hand out. */
  readonly storedSize: number;
  /** Where the stored bytes belong, in order; absent where the file has no holes. */
  readonly sparse?: readonly Extent[];
  readonly devMajor: number;
  readonly devMinor: number;
  /** Every PAX record that holds for it, global ones included, its own over them. */
  readonly pax: PaxRecords;
}

/** The longest path or link target, bytes. */
export const MAX_PATH_BYTES = 64 * 1024;

/** The largest user or group id: chown takes (uid_t) -1 for "leave as it is", so that is no owner. */
const MAX_ID = 0xffff_fffe;

/** The names in GNU's long-name headers before the entry. */
export interface LongNames {
  path?: Uint8Array;
  linkPath?: Uint8Array;
}

const char = (flag: string) => flag.charCodeAt(0);
const TYPES = new Map<number, TarEntryType>([
  [char("1"), "hardlink"],
  [char("2"), "symlink"],
  [char("3"), "character-device"],
  [char("4"), "block-device"],
  [char("5"), "directory"],
  [char("6"), "fifo"],
  [char("D"), "directory"],
]);

/**
 * Returns the kind of entry that a type flag means. Unknown flags are files, as POSIX wants; before
 * ustar, a name's last slash made a directory.
 */
export function entryType(typeflag: number, path: Uint8Array): TarEntryType {
  const type = TYPES.get(typeflag);
  if (type) return type;
  const plain = typeflag === 0 || typeflag === char("0") || typeflag === char("7");
  return plain && path.at(-1) === char("/") ? "directory" : "file";
}

function checkedPath(path: Uint8Array, what: string): Uint8Array {
  if (path.length > MAX_PATH_BYTES) {
    throw new ArchiveError("limit", `its ${what} is longer than ${MAX_PATH_BYTES} bytes`);
  }
  if (path.includes(0)) throw new ArchiveError("malformed", `its ${what} holds a NUL byte`);
  return path;
}

/** Returns the path that holds: GNU's sparse name, PAX, GNU's long name, the header, in this order. */
export function pathOf(raw: RawHeader, names: LongNames, pax: PaxRecords): Uint8Array {
  return pax.get("GNU.sparse.name") ?? pax.get("path") ?? names.path ?? raw.path;
}

function idOf(raw: number, pax: PaxRecords, keyword: "uid" | "gid"): number {
  const record = pax.get(keyword);
  const id = record ? decimalCount(record, keyword) : raw;
  if (id > MAX_ID) throw new ArchiveError("malformed", `its ${keyword} is out of range: ${id}`);
  return id;
}

function mtimeOf(raw: RawHeader, pax: PaxRecords): bigint {
  const record = pax.get("mtime");
  return record ? decimalTime(record, "mtime") : raw.mtime * 1_000_000_000n;
}

/** Returns the bytes of body that follow the header, as PAX or else the header has them. */
export function bodySize(raw: RawHeader, pax: PaxRecords): number {
  const record = pax.get("size");
  return record ? decimalCount(record, "size") : raw.size;
}

/** The size and the extents of a file, known once a map that follows its header was read. */
export interface FileShape {
  readonly size: number;
  readonly storedSize: number;
  readonly sparse?: readonly Extent[];
}

/** Puts an entry together. @throws {ArchiveError} for a name or number that cannot be. */
export function makeEntry(
  offset: number,
  raw: RawHeader,
  names: LongNames,
  pax: PaxRecords,
  shape: FileShape,
): TarEntry {
  const path = checkedPath(pathOf(raw, names, pax), "path");
  const type = entryType(raw.typeflag, path);
  const linked = type === "symlink" || type === "hardlink";
  const linkPath = pax.get("linkpath") ?? names.linkPath ?? raw.linkPath;
  return {
    offset,
    type,
    path,
    linkPath: linked ? checkedPath(linkPath, "link target") : new Uint8Array(),
    mode: raw.mode,
    uid: idOf(raw.uid, pax, "uid"),
    gid: idOf(raw.gid, pax, "gid"),
    mtime: mtimeOf(raw, pax),
    ...shape,
    devMajor: raw.devMajor,
    devMinor: raw.devMinor,
    pax,
  };
}

/** Returns the failure with the entry's name in front of its message. */
export function inEntry(error: unknown, path: Uint8Array, offset: number): unknown {
  if (!(error instanceof ArchiveError)) return error;
  return new ArchiveError(
    error.problem,
    `entry ${showName(path)} at offset ${offset}: ${error.message}`,
    { cause: error },
  );
}
