/** Makes, freezes, finds and deletes subvolumes and snapshots of btrfs. */

import type { Directory } from "../directory.ts";
import { isErrno, SystemError } from "../errno.ts";
import { bytesOf, displayName, isComponent, type Name, SLASH } from "../path_names.ts";
import { fileSystemType } from "../process.ts";
import type { Stat } from "../stat.ts";
import { Argument, type BtrfsHandle, callIoctl, IOCTL, SIZE } from "./ioctl.ts";

/** `BTRFS_SUPER_MAGIC` of `linux/magic.h`. */
const SUPER_MAGIC = 0x9123683e;
/** `BTRFS_FIRST_FREE_OBJECTID`: the inode number of every subvolume's top folder. */
const TOP_INODE = 256n;
/** Longest name of a subvolume, in bytes (`BTRFS_VOL_NAME_MAX`). */
const NAME_MAX = 255;

/** `BTRFS_SUBVOL_…` flags. */
const FLAG = { READ_ONLY: 1n << 1n, SPEC_BY_ID: 1n << 4n } as const;
/** Offsets in `struct btrfs_ioctl_vol_args_v2`. */
const VOLUME = { FD: 0, FLAGS: 16, NAME: 56, SUBVOLUME_ID: 56 } as const;

/** Returns whether something open is on a btrfs. @throws {SystemError} */
export function isBtrfs(at: BtrfsHandle): boolean {
  return fileSystemType(at) === SUPER_MAGIC;
}

/** Returns whether a directory of a btrfs is the top folder of a subvolume. */
export function isSubvolumeTop(stat: Stat): boolean {
  return stat.isDirectory && stat.inoHigh === 0 && stat.inoLow === Number(TOP_INODE);
}

/**
 * Makes an empty subvolume, which belongs to this process's user and has the mode 0777 cut by the
 * umask.
 * @throws {SystemError} EEXIST; ENOTTY where the directory is on another file system
 */
export function createSubvolume(parent: Directory, name: Name): void {
  callIoctl(parent, IOCTL.subvolumeCreate, volumeArguments(name, IOCTL.subvolumeCreate.name), name);
}

/**
 * Makes a snapshot of the subvolume that `source` is the top folder of: all of it at one point in time,
 * except for subvolumes within, which are empty folders in it.
 * @param source its top folder, opened for reading
 * @throws {SystemError} EEXIST; EXDEV where it is on another mount; EINVAL where it is no subvolume
 */
export function createSnapshot(
  source: Directory,
  parent: Directory,
  name: Name,
  { readOnly = false }: { readOnly?: boolean } = {},
): void {
  const argument = volumeArguments(name, IOCTL.snapshotCreate.name);
  argument.view.setBigInt64(VOLUME.FD, BigInt(source.fd), true);
  if (readOnly) argument.set(VOLUME.FLAGS, FLAG.READ_ONLY);
  callIoctl(parent, IOCTL.snapshotCreate, argument, name);
}

/**
 * Deletes the subvolume of that name, whatever is in it except for subvolumes. Its space comes back
 * beside other work of the file system's.
 * @throws {SystemError} ENOENT; ENOTDIR or EINVAL where something else has the name; ENOTEMPTY where a
 *   subvolume is in it; EPERM without `CAP_SYS_ADMIN`
 */
export function destroySubvolume(parent: Directory, name: Name): void {
  const argument = volumeArguments(name, IOCTL.snapshotDestroy.name);
  callIoctl(parent, IOCTL.snapshotDestroy, argument, name);
}

/**
 * Deletes the subvolume of that id, wherever on the mount of `at` it is. No id is ever used again.
 * @throws {SystemError} ENOENT where there is none, or it is not beneath what is mounted; otherwise as
 *   {@link destroySubvolume}
 */
export function destroySubvolumeById(at: BtrfsHandle, id: bigint): void {
  const argument = new Argument(SIZE.volumeArguments);
  argument.set(VOLUME.FLAGS, FLAG.SPEC_BY_ID);
  argument.set(VOLUME.SUBVOLUME_ID, id);
  callIoctl(at, IOCTL.snapshotDestroy, argument, `subvolume ${id}`);
}

function volumeArguments(name: Name, syscall: string): Argument {
  const bytes = bytesOf(name);
  if (!isComponent(bytes) || bytes.includes(0)) {
    throw new SystemError("EINVAL", syscall, displayName(name));
  }
  if (bytes.length > NAME_MAX) {
    throw new SystemError("ENAMETOOLONG", syscall, displayName(name));
  }
  const argument = new Argument(SIZE.volumeArguments);
  argument.bytes.set(bytes, VOLUME.NAME);
  return argument;
}

/** Returns whether the subvolume is read-only. @param top its top folder. @throws {SystemError} */
export function isReadOnlySubvolume(top: BtrfsHandle): boolean {
  const argument = new Argument(8);
  callIoctl(top, IOCTL.getFlags, argument);
  return (argument.get(0) & FLAG.READ_ONLY) !== 0n;
}

/** Makes the subvolume read-only, or writable again. @param top its top folder. @throws {SystemError} */
export function setReadOnlySubvolume(top: BtrfsHandle, readOnly: boolean): void {
  const argument = new Argument(8);
  callIoctl(top, IOCTL.getFlags, argument);
  const others = argument.get(0) & ~FLAG.READ_ONLY;
  argument.set(0, readOnly ? others | FLAG.READ_ONLY : others);
  callIoctl(top, IOCTL.setFlags, argument);
}

/** What a subvolume is, as its root item tells. */
export interface SubvolumeInfo {
  /** Its id, which the file system never uses again. */
  readonly id: bigint;
  /** Id of the subvolume that its folder is in; 0 for the file system's top. */
  readonly parentId: bigint;
  /** Inode of the directory that its folder is in. */
  readonly directoryInode: bigint;
  /** Transaction that changed anything in it last. */
  readonly generation: bigint;
  /** Transaction that made it: of a snapshot, the last one that it shows. */
  readonly createdGeneration: bigint;
  /** In hexadecimal. */
  readonly uuid: string;
  /** UUID of the subvolume that it is a snapshot of; absent where it is none. */
  readonly parentUuid?: string;
  readonly readOnly: boolean;
}

/** Offsets in `struct btrfs_ioctl_get_subvol_info_args`. */
const INFO = {
  ID: 0,
  PARENT_ID: 264,
  DIRECTORY: 272,
  GENERATION: 280,
  FLAGS: 288,
  UUID: 296,
  PARENT_UUID: 312,
  CREATED: 352,
} as const;
/** `BTRFS_ROOT_SUBVOL_RDONLY`, which is another number than the flag of the ioctls. */
const ROOT_READ_ONLY = 1n;

/** Describes the subvolume that something open is in. @throws {SystemError} */
export function subvolumeInfo(at: BtrfsHandle): SubvolumeInfo {
  const argument = new Argument(SIZE.subvolumeInfo);
  callIoctl(at, IOCTL.subvolumeInfo, argument);
  const parentUuid = uuidAt(argument, INFO.PARENT_UUID);
  return {
    id: argument.get(INFO.ID),
    parentId: argument.get(INFO.PARENT_ID),
    directoryInode: argument.get(INFO.DIRECTORY),
    generation: argument.get(INFO.GENERATION),
    createdGeneration: argument.get(INFO.CREATED),
    uuid: uuidAt(argument, INFO.UUID),
    ...(/^0+$/.test(parentUuid) ? {} : { parentUuid }),
    readOnly: (argument.get(INFO.FLAGS) & ROOT_READ_ONLY) !== 0n,
  };
}

/** Returns the UUID of the file system, in hexadecimal. @throws {SystemError} */
export function fileSystemUuid(at: BtrfsHandle): string {
  const argument = new Argument(SIZE.fileSystemInfo);
  callIoctl(at, IOCTL.fileSystemInfo, argument);
  return uuidAt(argument, 16);
}

/** Returns whether both are on the same btrfs. @throws {SystemError} */
export function isSameBtrfs(a: BtrfsHandle, b: BtrfsHandle): boolean {
  return isBtrfs(a) && isBtrfs(b) && fileSystemUuid(a) === fileSystemUuid(b);
}

function uuidAt(argument: Argument, offset: number): string {
  return argument.bytes.slice(offset, offset + 16).toHex();
}

/** A subvolume whose folder is in another one. */
export interface NestedSubvolume {
  readonly id: bigint;
  /** Inode of the directory that its folder is in. */
  readonly directoryInode: bigint;
}

const REFERENCES = { FIRST: 8, SIZE: 16, MAX: 255, COUNT: 4088 } as const;

/**
 * Lists the subvolumes whose folders are in this subvolume, not those within them. It needs no
 * privilege, but rights to the folders.
 * @param top the subvolume's top folder
 * @throws {SystemError}
 */
export function nestedSubvolumes(top: BtrfsHandle): NestedSubvolume[] {
  const found: NestedSubvolume[] = [];
  const argument = new Argument(SIZE.rootReferences);
  for (let least = 0n;;) {
    argument.bytes.fill(0);
    argument.set(0, least);
    let hasMore = false;
    try {
      callIoctl(top, IOCTL.rootReferences, argument);
    } catch (error) {
      // More than one argument holds; those that it holds are there.
      if (!isErrno(error, "EOVERFLOW")) throw error;
      hasMore = true;
    }
    const count = argument.bytes[REFERENCES.COUNT]!;
    for (let n = 0; n < count; n++) {
      const at = REFERENCES.FIRST + n * REFERENCES.SIZE;
      found.push({ id: argument.get(at), directoryInode: argument.get(at + 8) });
    }
    if (!hasMore || count === 0) return found;
    least = found.at(-1)!.id + 1n;
  }
}

/** Offsets in `struct btrfs_ioctl_ino_lookup_user_args`. */
const USER_LOOKUP = { DIRECTORY: 0, SUBVOLUME: 8, NAME: 16, PATH: 272 } as const;

/**
 * Tells where a nested subvolume is. It needs no privilege, but rights to the folders.
 * @param top the top folder of the subvolume that it is in
 * @returns the path of its directory beneath `top`, empty for `top` itself, and its name there
 * @throws {SystemError} ENOENT where it is not there any more; ENAMETOOLONG where the path is longer
 *   than 3823 bytes
 */
export function nestedSubvolumePath(
  top: BtrfsHandle,
  nested: NestedSubvolume,
): { parent: Uint8Array; name: Uint8Array } {
  const argument = new Argument(SIZE.inodeLookup);
  argument.set(USER_LOOKUP.DIRECTORY, nested.directoryInode);
  argument.set(USER_LOOKUP.SUBVOLUME, nested.id);
  callIoctl(top, IOCTL.inodeLookupUser, argument, `subvolume ${nested.id}`);
  return {
    parent: withoutSlash(textAt(argument, USER_LOOKUP.PATH)),
    name: textAt(argument, USER_LOOKUP.NAME),
  };
}

/** Offsets in `struct btrfs_ioctl_ino_lookup_args`. */
const LOOKUP = { TREE: 0, INODE: 8, NAME: 16 } as const;

/**
 * Returns the path of an inode beneath its subvolume's top folder, by one of its names.
 * @param tree the subvolume's id; 0 for the one that `at` is in
 * @returns bytes, empty for the top folder
 * @throws {SystemError} ENOENT; EPERM without `CAP_SYS_ADMIN`; ENAMETOOLONG
 */
export function inodePath(at: BtrfsHandle, inode: bigint, tree = 0n): Uint8Array {
  const argument = new Argument(SIZE.inodeLookup);
  argument.set(LOOKUP.TREE, tree);
  argument.set(LOOKUP.INODE, inode);
  callIoctl(at, IOCTL.inodeLookup, argument, `inode ${inode}`);
  return withoutSlash(textAt(argument, LOOKUP.NAME));
}

function textAt(argument: Argument, offset: number): Uint8Array {
  return argument.bytes.slice(offset, argument.bytes.indexOf(0, offset));
}

/** Removes the slash with which the kernel ends the paths of directories. */
function withoutSlash(path: Uint8Array): Uint8Array {
  return path.at(-1) === SLASH ? path.subarray(0, -1) : path;
}

/** Makes everything that was written to the file system durable. @throws {SystemError} */
export function syncBtrfs(at: BtrfsHandle): void {
  callIoctl(at, IOCTL.sync, null);
}
