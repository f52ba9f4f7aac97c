/** Freezes trees, so that images are packed from copies in which nothing changes. */

import { messageOf } from "../../errors.ts";
import { type DeviceName, isErrno, SystemError } from "../../linux/mod.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import type { Tree } from "../tree.ts";
import { groupOf, newTreeName } from "../tree_names.ts";
import { volumeAt } from "../volume/choose_volume.ts";
import { deviceNamesOf } from "../volume/device_names.ts";

/** A tree that is to be packed. */
export interface FrozenTree {
  /** The frozen copy, a staging tree; the tree itself where it cannot be frozen. */
  readonly tree: Tree;
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
] as const;

/**
 * Freezes a tree where the file system can. The copy is one of the workspace's staging trees, and so
 * deleted by a restart.
 * @throws {DaemonError} FAILED_PRECONDITION where the tree is gone
 */
export function freezeTree(areas: OpenAreas, request: { tree: Tree }): FrozenTree {
  const { tree } = request;
  using top = openTree(areas, tree);
  const devices = deviceNamesOf(top);
  const { snapshots } = volumeAt(areas.staging);
  if (devices.length === 0 || !snapshots) return { tree, devices };
  const name = newTreeName(groupOf(tree.name));
  const frozenAt = Date.now();
  try {
    const frozen = snapshots.freeze(top, areas.staging, name);
    return { tree: { area: "staging", name }, frozenAt, ...frozen };
  } catch (error) {
    if (!(error instanceof SystemError) || !isErrno(error, ...TOLERATED)) throw error;
    return { tree, devices, problem: messageOf(error) };
  }
}

/** Returns whether nothing in a tree has changed since it was in that state. */
export function isUnchanged(areas: OpenAreas, request: { tree: Tree; state: string }): boolean {
  using top = openTree(areas, request.tree);
  if (deviceNamesOf(top).length === 0) return false;
  return volumeAt(areas.staging).snapshots?.state(top) === request.state;
}

/** Deletes a frozen tree. @throws {DaemonError} why it cannot be deleted; a restart tries again */
export function discardFrozen(areas: OpenAreas, request: { name: string }): void {
  volumeAt(areas.staging).remove(areas.staging, request.name, areas.trash, {
    group: groupOf(request.name),
  });
}
