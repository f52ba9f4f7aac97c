/** Trees as subvolumes of a btrfs. */

import {
  changedInodes,
  createSubvolume,
  type Directory,
  ignoreErrno,
  isErrno,
  quotaStatus,
  S,
  subvolumeInfo,
} from "../../linux/mod.ts";
import { deleteEntry, type RemovalOptions, type Removed } from "../delete_entry.ts";
import { QgroupLimits } from "./qgroup_limits.ts";
import { snapshotTree, stateOf } from "./snapshot_tree.ts";
import type { ChangedInode, Limits, Snapshots, Volume } from "./volume.ts";

const snapshots: Snapshots = {
  clone: (source, parent, name) => void snapshotTree(source, parent, name, { readOnly: false }),
  freeze: (source, parent, name) => snapshotTree(source, parent, name, { readOnly: true }),
  state(top) {
    // What is not written yet is in no transaction that has a number.
    top.syncFileSystem();
    return stateOf(top);
  },
  changedSince,
};

/** Makes trees that can be cloned, frozen and, where quotas are on, limited. */
export class BtrfsVolume implements Volume {
  readonly kind = "btrfs";
  readonly snapshots: Snapshots = snapshots;
  readonly limits?: Limits;

  /** @param limited whether quotas are on */
  constructor({ limited }: { limited: boolean }) {
    if (limited) this.limits = new QgroupLimits();
  }

  make(parent: Directory, name: string): void {
    createSubvolume(parent, name);
  }

  /** Deletes plain folders, too, and what they hold. */
  remove(
    parent: Directory,
    name: string,
    overflow: Directory,
    options?: RemovalOptions,
  ): Removed {
    // A tree that is full could not even be told to lose a subvolume within.
    const { limits } = this;
    if (limits) ignoreErrno([...ABSENT], () => liftLimit(limits, parent, name, overflow));
    return deleteEntry(parent, name, overflow, options);
  }
}

/** How the top of a tree is missing, which deleting it meets again. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "ENOTTY", "EACCES"] as const;

function liftLimit(limits: Limits, parent: Directory, name: string, outside: Directory): void {
  using top = parent.openDirectory(name);
  limits.limit(outside, top);
}

/** Returns the volume for a btrfs with quotas as they are now. @throws {SystemError} */
export function openBtrfsVolume(at: Directory): BtrfsVolume {
  return new BtrfsVolume({ limited: hasQuotas(at) });
}

function hasQuotas(at: Directory): boolean {
  try {
    return quotaStatus(at).mode !== "off";
  } catch (error) {
    // Without CAP_SYS_ADMIN there is nothing to be done with them.
    if (isErrno(error, "EPERM")) return false;
    throw error;
  }
}

/**
 * Whether `frozen` is an earlier state of the same subvolume is told by UUIDs, which no copy has:
 * neither one that was made anew under the same name nor one that was received from elsewhere. Every
 * change after the snapshot is in a later transaction than the one that made it.
 */
function changedSince(top: Directory, frozen: Directory): ChangedInode[] | undefined {
  const now = subvolumeInfo(top);
  const before = subvolumeInfo(frozen);
  const { parentUuid: origin, createdGeneration: generation } = before;
  const isOfSameTree = origin !== undefined &&
    (now.uuid === origin || now.readOnly && now.parentUuid === origin);
  if (!before.readOnly || !isOfSameTree || now.generation < generation) return undefined;
  const changed: ChangedInode[] = [];
  changedInodes(top, generation, ({ inode, mode, nlink }) => {
    if (nlink > 0) changed.push({ inode, isDirectory: (mode & S.IFMT) === S.IFDIR });
  });
  return changed;
}
