/**
 * Limits by quota groups: one of a level of ours for each tree, which counts the tree and the
 * subvolumes within it together. With simple quotas the kernel puts a subvolume that is made in the tree
 * into the group; with full qgroups the next {@link QgroupLimits.limit} does.
 */

import {
  assignQgroup,
  createQgroup,
  destroyQgroup,
  type Directory,
  ignoreErrno,
  isErrno,
  isSubvolumeTop,
  levelOf,
  limitQgroup,
  nestedSubvolumePath,
  nestedSubvolumes,
  numberOf,
  openLongPath,
  qgroupId,
  qgroupUsages,
  subvolumeInfo,
} from "../../linux/mod.ts";
import type { Limits, VolumeUsage } from "./volume.ts";

/** Level of the groups that this daemon makes; operators' own usually have level 1. "ws" in ASCII. */
const LEVEL = 0x7773;
/** Attempts to limit a tree: a group without a member may be deleted by {@link QgroupLimits.sweep}. */
const ATTEMPTS = 3;

/** Limits for trees that are subvolumes, while the file system's quotas are on. */
export class QgroupLimits implements Limits {
  keyOf(top: Directory): bigint | undefined {
    return isSubvolumeTop(top.stat()) ? qgroupId(LEVEL, subvolumeInfo(top).id) : undefined;
  }

  limit(outside: Directory, top: Directory, bytes?: number): boolean {
    const group = this.keyOf(top);
    if (group === undefined) return false;
    if (bytes === undefined) {
      ignoreErrno(["ENOENT"], () => limitQgroup(outside, group));
      return true;
    }
    const members = [numberOf(group), ...descendants(top)];
    for (let attempt = 1;; attempt++) {
      try {
        createQgroup(outside, group);
        for (const member of members) assign(outside, member, group);
        limitQgroup(outside, group, bytes);
        return true;
      } catch (error) {
        if (!isErrno(error, "ENOENT") || attempt === ATTEMPTS) throw error;
      }
    }
  }

  usages(outside: Directory): Map<bigint, VolumeUsage> {
    const usages = new Map<bigint, VolumeUsage>();
    for (const [group, { referenced, maxReferenced }] of qgroupUsages(outside)) {
      if (levelOf(group) !== LEVEL) continue;
      const limit = maxReferenced === undefined ? {} : { limit: maxReferenced };
      usages.set(group, { bytes: referenced, ...limit });
    }
    return usages;
  }

  sweep(outside: Directory): void {
    for (const group of qgroupUsages(outside).keys()) {
      if (levelOf(group) !== LEVEL) continue;
      try {
        destroyQgroup(outside, group);
      } catch (error) {
        // It has members: the tree is there, or its space is still being given back.
        if (!isErrno(error, "EBUSY")) throw error;
      }
    }
  }
}

/** Puts a subvolume into the group. */
function assign(outside: Directory, member: bigint, group: bigint): void {
  try {
    assignQgroup(outside, member, group);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    // Quotas were off, or the qgroup was deleted by hand: it counts from now on.
    createQgroup(outside, member);
    assignQgroup(outside, member, group);
  }
}

/** Returns the ids of the subvolumes within a tree, at any depth, except for those that are moved. */
function descendants(top: Directory): bigint[] {
  return nestedSubvolumes(top).flatMap((nested) => {
    try {
      const { parent, name } = nestedSubvolumePath(top, nested);
      using dir = openLongPath(top, parent);
      using inner = dir.openDirectory(name);
      return [nested.id, ...descendants(inner)];
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG")) throw error;
      return [];
    }
  });
}
