/**
 * Operations that only btrfs has, by ioctl.
 *
 * Everything takes a handle, and what has a name is named in the directory that a handle is of. Except
 * for making subvolumes and snapshots, flags and {@link nestedSubvolumes} it needs `CAP_SYS_ADMIN`;
 * without it the kernel answers EPERM.
 */

export type { BtrfsHandle } from "./ioctl.ts";
export {
  assignQgroup,
  createQgroup,
  destroyQgroup,
  disableQuota,
  enableQuota,
  levelOf,
  limitQgroup,
  numberOf,
  qgroupId,
  type QgroupUsage,
  qgroupUsages,
  type QuotaStatus,
  quotaStatus,
  waitForQuotaRescan,
} from "./qgroups.ts";
export {
  createSnapshot,
  createSubvolume,
  destroySubvolume,
  destroySubvolumeById,
  fileSystemUuid,
  inodePath,
  isBtrfs,
  isReadOnlySubvolume,
  isSameBtrfs,
  isSubvolumeTop,
  type NestedSubvolume,
  nestedSubvolumePath,
  nestedSubvolumes,
  setReadOnlySubvolume,
  type SubvolumeInfo,
  subvolumeInfo,
  syncBtrfs,
} from "./subvolumes.ts";
export { type ChangedInode, changedInodes, deletedSubvolumes } from "./tree_search.ts";
