import { binaryBytes, binaryString, type PaxRecords, type TarEntry } from "../../archive/mod.ts";
import { type Descriptor, timespec } from "../../linux/mod.ts";
import { hostOwner } from "../id_map.ts";
import type { Abilities } from "../abilities.ts";
import { isUncommonTime, tryChown, trySetXattr } from "../attributes.ts";
import type { OmissionLog } from "../omissions.ts";

/** The bits that a foreign archive may set: no set-id ones. */
const ALLOWED_MODE = 0o1777;
const ALL_MODE = 0o7777;

const SCHILY = "SCHILY.xattr.";
const LIBARCHIVE = "LIBARCHIVE.xattr.";

/** Metadata of a file or directory. */
export interface Metadata {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint;
  /** By name, one character a byte; of an archive that is not trusted only names that start with `user.`. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Metadata that policy drops. */
  readonly dropped: {
    readonly setId: boolean;
    /** The number of attributes outside the `user` namespace. */
    readonly xattrs: number;
  };
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * Returns the part of an entry's metadata that is set: set-id bits and privileged attributes are only where
 * the archive is trusted.
 */
export function metadataOf(entry: TarEntry, trusted: boolean): Metadata {
  const xattrs = entry.pax.size === 0 ? NO_XATTRS : allXattrs(entry.pax);
  const allowedMode = trusted ? ALL_MODE : ALLOWED_MODE;
  const user = [...xattrs]
    .filter(([name]) => (trusted || name.startsWith("user.")) && !name.includes("\0"));
  return {
    uid: entry.uid,
    gid: entry.gid,
    mode: entry.mode & allowedMode,
    mtime: entry.mtime,
    xattrs: user.length === xattrs.size ? xattrs : new Map(user),
    dropped: {
      setId: (entry.mode & ~allowedMode & ALL_MODE) !== 0,
      xattrs: xattrs.size - user.length,
    },
  };
}

/**
 * Returns the extended attributes, as GNU tar and star write them (`SCHILY.xattr.`,
 * with `%3D` and `%25` for what a keyword cannot hold) and as libarchive does (`LIBARCHIVE.xattr.`,
 * percent-encoded names, base64 values).
 */
function allXattrs(pax: PaxRecords): Map<string, Uint8Array> {
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
  return found;
}

/** Returns the bytes of the extended attributes, names and values. */
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

/** Options of {@link applyMetadata}. */
export interface ApplyOptions {
  /** Whether the process may give files away; what it extracts is its own otherwise. */
  readonly owners: boolean;
  readonly abilities: Abilities;
  readonly omissions: OmissionLog;
}

/**
 * Applies metadata to an open file or directory: the owner first, because changing it cuts the
 * mode; attributes while the mode still lets us; the times last. What policy has dropped and what
 * the file system does not take is counted.
 * @throws {SystemError}
 */
export function applyMetadata(
  target: Descriptor,
  metadata: Metadata,
  path: () => Uint8Array,
  { owners, abilities, omissions }: ApplyOptions,
): void {
  const { dropped } = metadata;
  if (dropped.setId) omissions.add("set-id", path());
  for (let n = 0; n < dropped.xattrs; n++) omissions.add("xattr", path());
  if (owners) {
    const owner = hostOwner(metadata);
    const isGiven = owner !== undefined && tryChown(() => target.chown(owner.uid, owner.gid));
    if (!isGiven) omissions.add("owner", path());
  }
  for (const [name, value] of metadata.xattrs) {
    const isSet = trySetXattr(target, { name: binaryBytes(name), value }, abilities);
    if (!isSet) omissions.add("xattr", path());
  }
  target.chmod(metadata.mode);
  const mtime = timespec(metadata.mtime);
  target.setTimes(mtime);
  if (isUncommonTime(mtime) && target.stat().mtime.sec !== mtime.sec) omissions.add("time", path());
}
