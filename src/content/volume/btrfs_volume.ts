/** Trees as subvolumes of a btrfs. */

import {
  createSubvolume,
  deletedSubvolumes,
  type Directory,
  fileSystemSpace,
  ignoreErrno,
  isErrno,
  quotaStatus,
  syncBtrfs,
} from "../../linux/mod.ts";
import { sleepSync } from "../../clock.ts";
import { deleteEntry, type RemovalOptions, type Removed } from "../delete_entry.ts";
import { QgroupLimits } from "./qgroup_limits.ts";
import { snapshotTree, stateOf } from "./snapshot_tree.ts";
import { treeChanges } from "./tree_changes.ts";
import type { Limits, Snapshots, Volume } from "./volume.ts";

const snapshots: Snapshots = {
  clone: (source, parent, name, options) =>
    snapshotTree(source, parent, name, { ...options, readOnly: false }),
  freeze: (source, parent, name) => snapshotTree(source, parent, name, { readOnly: true }),
  state(top, { isSynced = false } = {}) {
    // What is not written yet is in no transaction that has a number.
    if (!isSynced) top.syncFileSystem();
    return stateOf(top);
  },
  changedSince: treeChanges,
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
    // A tree at its limit refuses even that a subvolume within it is deleted.
    const { limits } = this;
    if (limits) ignoreErrno([...ABSENT], () => liftLimit(limits, parent, name, overflow));
    const removed = deleteEntry(parent, name, overflow, options);
    if (removed === "deleted") reclaimSpace(overflow);
    return removed;
  }
}

/** Below this part of a file system, or these bytes, space is short. */
const SHORT = { part: 1 / 10, bytes: 1 << 30 } as const;
/** Milliseconds that a deletion waits at most for its space, and between two checks. */
const RECLAIM = { limit: 5000, interval: 20 } as const;

/**
 * Waits until the space of deleted subvolumes is free, if space is short: btrfs takes them apart in
 * the background, after the next commit, which is up to 30 s away unless somebody asks for it. The
 * next workspace would be refused on a file system where nothing is left. A subvolume that somebody has
 * open stays; it is waited for once, so that a process in it cannot slow down every later deletion.
 */
function reclaimSpace(at: Directory): void {
  const { size, free } = fileSystemSpace(at);
  if (free >= Math.min(size * SHORT.part, SHORT.bytes)) return;
  const end = performance.now() + RECLAIM.limit;
  for (;;) {
    const waiting = idsOfDeleted(at).filter((id) => !heldOpen.has(id));
    // Each commit wakes the cleaner, and the last one frees the blocks that it gave up.
    ignoreErrno(["ENOSPC", "EROFS"], () => syncBtrfs(at));
    if (waiting.length === 0) return;
    if (performance.now() >= end) {
      for (const id of waiting) heldOpen.add(id);
      return;
    }
    sleepSync(RECLAIM.interval);
  }
}

/** Ids of subvolumes that stayed to the end of a wait. No id is used twice. */
const heldOpen = new Set<bigint>();

function idsOfDeleted(at: Directory): bigint[] {
  try {
    return deletedSubvolumes(at);
  } catch (error) {
    // Without CAP_SYS_ADMIN they cannot be listed, and are not waited for.
    if (isErrno(error, "EPERM")) return [];
    throw error;
  }
}

/** Errors of a top that is missing or is no directory here; deleting the tree meets them again. */
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
    // Without CAP_SYS_ADMIN quotas cannot be used.
    if (isErrno(error, "EPERM")) return false;
    throw error;
  }
}
