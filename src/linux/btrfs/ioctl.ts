/**
 * The ioctls of btrfs, by number, and how one is called.
 *
 * Numbers and layouts here and in the files beside this are those of `linux/btrfs.h` and
 * `linux/btrfs_tree.h` (kernel 6.18), which are part of the kernel's stable interface: little-endian,
 * the same on both architectures that are served.
 */

import { type Located, throwUnlessInterrupted } from "../errno.ts";
import { system } from "../libc.ts";

/** Something open on a btrfs; which file of it matters to some ioctls only. */
export type BtrfsHandle = Located & { readonly fd: number };

/** How `asm-generic/ioctl.h` puts a request's number together. */
const DIRECTION = { none: 0, write: 1, read: 2, readWrite: 3 } as const;
const MAGIC = 0x94;

/** Sizes of the arguments, in bytes. */
export const SIZE = {
  /** `struct btrfs_ioctl_vol_args_v2` */
  volumeArguments: 4096,
  /** `struct btrfs_ioctl_ino_lookup_args`, `struct btrfs_ioctl_ino_lookup_user_args` */
  inodeLookup: 4096,
  /** `struct btrfs_ioctl_search_key` */
  searchKey: 104,
  /** `struct btrfs_ioctl_fs_info_args` */
  fileSystemInfo: 1024,
  /** `struct btrfs_ioctl_get_subvol_info_args` */
  subvolumeInfo: 504,
  /** `struct btrfs_ioctl_get_subvol_rootref_args` */
  rootReferences: 4096,
  /** `struct btrfs_ioctl_quota_ctl_args`, `struct btrfs_ioctl_qgroup_create_args` */
  quotaControl: 16,
  /** `struct btrfs_ioctl_qgroup_assign_args` */
  qgroupAssign: 24,
  /** `struct btrfs_ioctl_qgroup_limit_args` */
  qgroupLimit: 48,
  /** `struct btrfs_ioctl_quota_rescan_args` */
  quotaRescan: 64,
} as const;

/** A request, its number for the kernel and its name for errors. */
interface Ioctl {
  readonly name: string;
  readonly number: bigint;
}

function ioctl(
  name: string,
  direction: keyof typeof DIRECTION,
  number: number,
  size: number,
): Ioctl {
  const bits = DIRECTION[direction] * 2 ** 30 + (size << 16 | MAGIC << 8 | number);
  return { name: `BTRFS_IOC_${name}`, number: BigInt(bits) };
}

/** The requests that btrfs answers, of those that are used here. */
export const IOCTL = {
  sync: ioctl("SYNC", "none", 8, 0),
  // The number has the size of the key and of `buf_size`, not of what follows.
  treeSearch: ioctl("TREE_SEARCH_V2", "readWrite", 17, SIZE.searchKey + 8),
  inodeLookup: ioctl("INO_LOOKUP", "readWrite", 18, SIZE.inodeLookup),
  snapshotCreate: ioctl("SNAP_CREATE_V2", "write", 23, SIZE.volumeArguments),
  subvolumeCreate: ioctl("SUBVOL_CREATE_V2", "write", 24, SIZE.volumeArguments),
  getFlags: ioctl("SUBVOL_GETFLAGS", "read", 25, 8),
  setFlags: ioctl("SUBVOL_SETFLAGS", "write", 26, 8),
  fileSystemInfo: ioctl("FS_INFO", "read", 31, SIZE.fileSystemInfo),
  quotaControl: ioctl("QUOTA_CTL", "readWrite", 40, SIZE.quotaControl),
  qgroupAssign: ioctl("QGROUP_ASSIGN", "write", 41, SIZE.qgroupAssign),
  qgroupCreate: ioctl("QGROUP_CREATE", "write", 42, SIZE.quotaControl),
  qgroupLimit: ioctl("QGROUP_LIMIT", "read", 43, SIZE.qgroupLimit),
  quotaRescanWait: ioctl("QUOTA_RESCAN_WAIT", "none", 46, 0),
  subvolumeInfo: ioctl("GET_SUBVOL_INFO", "read", 60, SIZE.subvolumeInfo),
  rootReferences: ioctl("GET_SUBVOL_ROOTREF", "readWrite", 61, SIZE.rootReferences),
  inodeLookupUser: ioctl("INO_LOOKUP_USER", "readWrite", 62, SIZE.inodeLookup),
  snapshotDestroy: ioctl("SNAP_DESTROY_V2", "write", 63, SIZE.volumeArguments),
} as const;

/** An argument of a request, and views of it. */
export class Argument {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  get(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }

  set(offset: number, value: bigint): void {
    this.view.setBigUint64(offset, value, true);
  }
}

/**
 * Makes a request of the file system that `at` is open on, again while it is interrupted.
 * @param argument as large as the request says; the kernel reads it, writes it, or both
 * @param entry of `at` that it is about, for the error
 * @returns 0, or what the request says besides
 * @throws {SystemError} ENOTTY where the file system is no btrfs or does not know the request
 */
export function callIoctl(
  at: BtrfsHandle,
  request: Ioctl,
  argument: Argument | null,
  entry?: Uint8Array | string,
): number {
  const sys = system();
  for (;;) {
    const result = sys.ioctl(at.fd, request.number, argument?.bytes ?? null);
    if (result >= 0) return result;
    throwUnlessInterrupted(request.name, at, entry);
  }
}
