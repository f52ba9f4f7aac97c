/**
 * Sets and reads quota groups of btrfs: limits that the kernel holds every process to.
 *
 * A qgroup's id is a level (16 bits) and a number (48 bits). Level 0 has one for each subvolume, with its
 * id; a group of level 1 counts what its members take together. Simple quotas (kernel 6.7) count an
 * extent for the subvolume that wrote it as long as the extent is there, and put a subvolume that is
 * made within another into the same groups; full qgroups count what each subvolume refers to, at a
 * price that grows with the number of snapshots.
 *
 * Changes are written by a transaction of the subvolume that the handle is in, and so refused (EDQUOT)
 * where that one is full: they want a handle outside of what is limited.
 */

import { isErrno } from "../errno.ts";
import { Argument, type BtrfsHandle, callIoctl, IOCTL, SIZE } from "./ioctl.ts";
import { searchTree } from "./tree_search.ts";

/** How a file system counts. `inconsistent`: its numbers need a rescan and are not to be gone by. */
export interface QuotaStatus {
  readonly mode: "off" | "simple" | "full";
  readonly inconsistent: boolean;
}

/** Bytes that a qgroup takes, and may take. */
export interface QgroupUsage {
  /** As of the last transaction that was committed. */
  readonly referenced: number;
  readonly exclusive: number;
  /** Absent where nothing limits it. */
  readonly maxReferenced?: number;
}

const QUOTA_TREE = 8n;
/** Types of the quota tree's items. */
const ITEM = { STATUS: 240, INFO: 242, LIMIT: 244 } as const;
const STATUS_FLAG = { ON: 1n, RESCAN: 2n, INCONSISTENT: 4n, SIMPLE: 8n } as const;
/** `cmd` of `struct btrfs_ioctl_quota_ctl_args`. */
const COMMAND = { ENABLE: 1n, DISABLE: 2n, ENABLE_SIMPLE: 4n } as const;
/** `BTRFS_QGROUP_LIMIT_MAX_RFER`. */
const MAX_REFERENCED = 1n;
/** A limit that is none. */
const UNLIMITED = 2n ** 64n - 1n;
const LEVEL_SHIFT = 48n;

/** Returns the id of a qgroup. @param level from 0 to 65535 */
export function qgroupId(level: number, number: bigint): bigint {
  return BigInt(level) << LEVEL_SHIFT | number;
}

/** Returns the level of a qgroup. */
export function levelOf(qgroup: bigint): number {
  return Number(qgroup >> LEVEL_SHIFT);
}

/** Returns the number of a qgroup within its level. */
export function numberOf(qgroup: bigint): bigint {
  return qgroup & (1n << LEVEL_SHIFT) - 1n;
}

/** Returns how the file system counts now. @throws {SystemError} EPERM without `CAP_SYS_ADMIN` */
export function quotaStatus(at: BtrfsHandle): QuotaStatus {
  let flags = 0n;
  searchQuotaTree(at, { minType: ITEM.STATUS, maxType: ITEM.STATUS }, ({ item }) => {
    flags = item.getBigUint64(16, true);
  });
  if ((flags & STATUS_FLAG.ON) === 0n) return { mode: "off", inconsistent: false };
  return {
    mode: (flags & STATUS_FLAG.SIMPLE) !== 0n ? "simple" : "full",
    inconsistent: (flags & (STATUS_FLAG.INCONSISTENT | STATUS_FLAG.RESCAN)) !== 0n,
  };
}

/**
 * Switches quotas on; full ones count what is there already in the background.
 * @throws {SystemError} EINVAL where the kernel has no simple quotas; EPERM without `CAP_SYS_ADMIN`
 */
export function enableQuota(at: BtrfsHandle, mode: "simple" | "full"): void {
  control(at, mode === "simple" ? COMMAND.ENABLE_SIMPLE : COMMAND.ENABLE);
}

/** Switches quotas off and forgets every qgroup. @throws {SystemError} */
export function disableQuota(at: BtrfsHandle): void {
  control(at, COMMAND.DISABLE);
}

/** Waits until full quotas have counted what is there. @throws {SystemError} */
export function waitForQuotaRescan(at: BtrfsHandle): void {
  callIoctl(at, IOCTL.quotaRescanWait, null);
}

function control(at: BtrfsHandle, command: bigint): void {
  const argument = new Argument(SIZE.quotaControl);
  argument.set(0, command);
  callIoctl(at, IOCTL.quotaControl, argument);
}

/** Makes a qgroup. No error where it is there. @throws {SystemError} ENOTCONN where quotas are off */
export function createQgroup(at: BtrfsHandle, qgroup: bigint): void {
  try {
    createOrDestroy(at, qgroup, 1n);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/**
 * Deletes a qgroup. No error where there is none.
 * @throws {SystemError} EBUSY where it has members, or its subvolume is there
 */
export function destroyQgroup(at: BtrfsHandle, qgroup: bigint): void {
  try {
    createOrDestroy(at, qgroup, 0n);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

function createOrDestroy(at: BtrfsHandle, qgroup: bigint, create: bigint): void {
  const argument = new Argument(SIZE.quotaControl);
  argument.set(0, create);
  argument.set(8, qgroup);
  callIoctl(at, IOCTL.qgroupCreate, argument, describe(qgroup));
}

/**
 * Puts a qgroup into one of a higher level. No error where it is in it.
 * @throws {SystemError} ENOENT where one of them is missing
 */
export function assignQgroup(at: BtrfsHandle, member: bigint, group: bigint): void {
  const argument = new Argument(SIZE.qgroupAssign);
  argument.set(0, 1n);
  argument.set(8, member);
  argument.set(16, group);
  try {
    callIoctl(at, IOCTL.qgroupAssign, argument, describe(group));
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/**
 * Limits what a qgroup may refer to, from now on and across restarts of the machine. What is beyond the
 * limit stays; the next write fails with EDQUOT.
 * @param maxReferenced bytes; absent for no limit
 * @throws {SystemError} ENOENT where there is no such qgroup; ENOTCONN where quotas are off
 */
export function limitQgroup(at: BtrfsHandle, qgroup: bigint, maxReferenced?: number): void {
  const argument = new Argument(SIZE.qgroupLimit);
  argument.set(0, qgroup);
  argument.set(8, MAX_REFERENCED);
  argument.set(16, maxReferenced === undefined ? UNLIMITED : BigInt(maxReferenced));
  callIoctl(at, IOCTL.qgroupLimit, argument, describe(qgroup));
}

/** Returns what qgroups take and may take, by id. @throws {SystemError} EPERM without `CAP_SYS_ADMIN` */
export function qgroupUsages(at: BtrfsHandle): Map<bigint, QgroupUsage> {
  const usages = new Map<bigint, QgroupUsage>();
  searchQuotaTree(at, { minType: ITEM.INFO, maxType: ITEM.LIMIT }, ({ type, offset, item }) => {
    if (type === ITEM.INFO) {
      usages.set(offset, {
        referenced: Number(item.getBigUint64(8, true)),
        exclusive: Number(item.getBigUint64(24, true)),
      });
    } else if (type === ITEM.LIMIT) {
      const usage = usages.get(offset);
      const isSet = (item.getBigUint64(0, true) & MAX_REFERENCED) !== 0n;
      const limit = item.getBigUint64(8, true);
      if (!usage || !isSet || limit === UNLIMITED) return;
      usages.set(offset, { ...usage, maxReferenced: Number(limit) });
    }
  });
  return usages;
}

/** Finds nothing where there is no quota tree: quotas have never been on, or are off. */
function searchQuotaTree(
  at: BtrfsHandle,
  types: { minType: number; maxType: number },
  visit: Parameters<typeof searchTree>[2],
): void {
  try {
    searchTree(at, { tree: QUOTA_TREE, minObject: 0n, maxObject: 0n, ...types }, visit);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

function describe(qgroup: bigint): string {
  return `qgroup ${levelOf(qgroup)}/${numberOf(qgroup)}`;
}
