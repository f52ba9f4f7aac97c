/** Decides what new trees of a root are, from what its file system and this process can do. */

import { DaemonError, messageOf } from "../../errors.ts";
import {
  createSubvolume,
  destroySubvolume,
  type Directory,
  enableQuota,
  fileSystemType,
  isBtrfs,
  isErrno,
  quotaStatus,
  SystemError,
} from "../../linux/mod.ts";
import { newTreeName } from "../tree_names.ts";
import { openBtrfsVolume } from "./btrfs_volume.ts";
import { plainVolume } from "./plain_volume.ts";
import type { Volume, VolumeKind } from "./volume.ts";

/** What a root's new trees are, and why. */
export interface VolumeChoice {
  readonly kind: VolumeKind;
  /** What limits a workspace's own processes: nothing, simple quotas or full qgroups. */
  readonly quota: "none" | "simple" | "full";
  /** Words that follow "because". */
  readonly reason: string;
}

/** What may be asked for: a driver by name, which must work, or the best that does. */
export type VolumeDriver = "auto" | "btrfs" | "none";

/**
 * Chooses by trying, as only the kernel knows what a process may do.
 * @param staging where trees are made
 * @throws {DaemonError} FAILED_PRECONDITION where a driver is named that cannot work
 */
export function chooseVolume(staging: Directory, driver: VolumeDriver): VolumeChoice {
  if (driver === "none") return plain("quota.driver is none");
  const problem = btrfsProblem(staging);
  if (problem === undefined) return chooseQuota(staging, driver);
  if (driver === "auto") return plain(problem);
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot use quota.driver btrfs: ${problem}; see to that, or use "auto" or "none"`,
  );
}

const plain = (reason: string): VolumeChoice => ({ kind: "plain", quota: "none", reason });

const MISSING_CAPABILITY =
  "the daemon lacks CAP_SYS_ADMIN, without which btrfs lets nobody delete " +
  "subvolumes and set limits (docs/operations.md has a drop-in for systemd)";

/** Returns why trees cannot be subvolumes here; `undefined` where they can. */
function btrfsProblem(staging: Directory): string | undefined {
  if (!isBtrfs(staging)) {
    const type = fileSystemType(staging).toString(16);
    return `${staging.location} is not on a btrfs (its file system's type is 0x${type})`;
  }
  // A tree of such a name is deleted by the next start, should this process be killed here.
  const name = newTreeName();
  try {
    createSubvolume(staging, name);
    destroySubvolume(staging, name);
    return undefined;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // Later there may be room again.
    if (isErrno(error, "ENOSPC", "EDQUOT")) return undefined;
    return isErrno(error, "EPERM", "EACCES") ? MISSING_CAPABILITY : messageOf(error);
  }
}

function chooseQuota(staging: Directory, driver: "auto" | "btrfs"): VolumeChoice {
  try {
    if (driver === "btrfs" && quotaStatus(staging).mode === "off") enableBestQuota(staging);
    const { mode, inconsistent } = quotaStatus(staging);
    if (mode === "off") {
      return {
        kind: "btrfs",
        quota: "none",
        reason:
          "the root is on a btrfs whose quotas are off, which auto does not change for a whole " +
          'file system; quota.driver "btrfs" switches them on',
      };
    }
    const state = inconsistent ? ", though its numbers are being counted anew" : "";
    return {
      kind: "btrfs",
      quota: mode,
      reason: `the root is on a btrfs with ${mode} quotas${state}`,
    };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const problem = isErrno(error, "EPERM") ? MISSING_CAPABILITY : messageOf(error);
    const reason = `the root is on a btrfs, whose quotas cannot be used: ${problem}`;
    if (driver === "auto") return { kind: "btrfs", quota: "none", reason };
    throw new DaemonError("FAILED_PRECONDITION", `Cannot use quota.driver btrfs: ${reason}`);
  }
}

function enableBestQuota(staging: Directory): void {
  try {
    enableQuota(staging, "simple");
  } catch (error) {
    // Kernels before 6.7 have no simple quotas.
    if (!isErrno(error, "EINVAL")) throw error;
    enableQuota(staging, "full");
  }
}

/** Returns the volume of that kind. @param at a directory of the root. @throws {SystemError} */
export function openVolume(kind: VolumeKind, at: Directory): Volume {
  return kind === "btrfs" ? openBtrfsVolume(at) : plainVolume;
}

/** Returns the volume that can do most with trees that are there. @throws {SystemError} */
export function volumeAt(at: Directory): Volume {
  return openVolume(isBtrfs(at) ? "btrfs" : "plain", at);
}
