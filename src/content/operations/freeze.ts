/** Freezes trees, so that images are packed from copies in which nothing changes. */

import { messageOf } from "../../errors.ts";
import { type DeviceName, isErrno, SystemError } from "../../linux/mod.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import type { Tree } from "../tree.ts";
import { volumeAt } from "../volume/choose_volume.ts";
import { type DeviceAlias, deviceNamesOf } from "../volume/device_names.ts";

/** A tree that is to be packed. */
export interface FrozenTree {
  /** The frozen copy, in `bases`; the tree itself where it cannot be frozen. */
  readonly tree: Tree;
  /** The subvolumes of the copy and what they are copies of; absent where nothing is frozen. */
  readonly aliases?: readonly DeviceAlias[];
  /** Milliseconds since the epoch at which freezing began; absent where nothing is frozen. */
  readonly frozenAt?: number;
  /** The names of the tree's devices in baselines. */
  readonly devices: readonly DeviceName[];
  /** The state of the tree that the frozen copy shows; see {@link isUnchanged}. */
  readonly state?: string;
  /** Why a tree that could be frozen was not. */
  readonly problem?: string;
}

/** Failures that do not keep the live tree from being packed. */
const TOLERATED = [
  "EAGAIN",
  "ENAMETOOLONG",
  "ENOSPC",
  "EDQUOT",
  "EPERM",
  "EACCES",
  "EROFS",
  // A volume that was filled in place may be on another btrfs than the root.
  "EXDEV",
] as const;

/**
 * Freezes a tree where the file system can. The copy is among the bases under a name that a restart
 * knows for one that is to be deleted: what is read-only cannot be moved to another folder.
 * @param request.name that of the copy
 * @throws {DaemonError} FAILED_PRECONDITION where the tree is gone
 */
export function freezeTree(
  areas: OpenAreas,
  request: { tree: Tree; name: string },
): FrozenTree {
  const { tree, name } = request;
  using top = openTree(areas, tree);
  const devices = deviceNamesOf(top);
  const { snapshots } = volumeAt(areas.staging);
  if (devices.length === 0 || !snapshots) return { tree, devices };
  const frozenAt = Date.now();
  try {
    const { devices, aliases, state } = snapshots.freeze(top, areas.bases, name);
    return { tree: { area: "bases", name }, frozenAt, devices, aliases, state };
  } catch (error) {
    if (!(error instanceof SystemError) || !isErrno(error, ...TOLERATED)) throw error;
    return { tree, devices, problem: messageOf(error) };
  }
}

/** Returns whether nothing in a tree has changed since it was in that state. */
export function isUnchanged(areas: OpenAreas, request: { tree: Tree; state: string }): boolean {
  using top = openTree(areas, request.tree);
  if (deviceNamesOf(top).length === 0) return false;
  const { snapshots } = volumeAt(areas.staging);
  // No state comes back. If it is another one before dirty pages are written back, a save that does
  // that itself need not wait for it twice.
  return snapshots?.state(top, { isSynced: true }) === request.state &&
    snapshots.state(top) === request.state;
}
