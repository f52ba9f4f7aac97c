/** Chooses what new trees are made of, limits trees, and measures them. */

import { DT, isErrno } from "../../linux/mod.ts";
import type { Tree } from "../tree.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import {
  chooseVolume,
  volumeAt,
  type VolumeChoice,
  type VolumeDriver,
} from "../volume/choose_volume.ts";
import type { Limits, VolumeUsage } from "../volume/volume.ts";

/** Chooses what new trees are. @throws {DaemonError} as {@link chooseVolume} */
export function probeVolume(areas: OpenAreas, request: { driver: VolumeDriver }): VolumeChoice {
  return chooseVolume(areas.staging, request.driver);
}

/**
 * Limits what a tree may take.
 * @returns false where nothing can limit it: it is a plain folder, or quotas are off
 */
export function limitTree(areas: OpenAreas, request: { tree: Tree; bytes?: number }): boolean {
  using top = openTree(areas, request.tree);
  return limitsOf(areas)?.limit(areas.staging, top, request.bytes) ?? false;
}

/** Returns what published trees take, as far as the file system counts them, by id. */
export function treeUsages(
  areas: OpenAreas,
  _request: Record<never, never>,
): Map<string, VolumeUsage> {
  const limits = limitsOf(areas);
  const result = new Map<string, VolumeUsage>();
  if (!limits) return result;
  const usages = limits.usages(areas.workspaces);
  using area = areas.workspaces.openDirectory(".");
  const decoder = new TextDecoder();
  for (const { name, type } of area.entries()) {
    if (type !== DT.DIR) continue;
    try {
      using top = areas.workspaces.openDirectory(name, { crossMounts: true });
      const key = limits.keyOf(top);
      const usage = key === undefined ? undefined : usages.get(key);
      if (usage) result.set(decoder.decode(name), usage);
    } catch (error) {
      // The tree was disposed of meanwhile, or something else was put there.
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENOTTY")) throw error;
    }
  }
  return result;
}

/** Forgets the limits of trees that are gone. */
export function sweepLimits(areas: OpenAreas, _request: Record<never, never>): void {
  limitsOf(areas)?.sweep(areas.staging);
}

function limitsOf(areas: OpenAreas): Limits | undefined {
  return volumeAt(areas.staging).limits;
}
