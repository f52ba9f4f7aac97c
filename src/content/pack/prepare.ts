/** Looking at a baseline before a pack, and throwing away what a failed one left. */

import { ArchiveError } from "../../archive/error.ts";
import { type Directory, fileSystemType, isErrno } from "../../linux/mod.ts";
import type { LayerDescriptor, Tree } from "../content.ts";
import { BaselineReader, readHeader, verifyBaseline } from "../baseline/reader.ts";
import type { LayerInfo } from "../../image/tree_file.ts";
import { checkBaselineName } from "../baseline/tokens.ts";
import { type OpenAreas, openTree } from "../areas.ts";

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    // There is none, or a crash has torn it: then everything is read again.
    if (isErrno(error, "ENOENT")) return undefined;
    if (error instanceof RangeError || error instanceof ArchiveError) return undefined;
    throw error;
  }
}

export interface Prepared {
  /** How many directories the baseline knows; absent where there is none, or none to go by. */
  readonly directories?: number;
  /** See {@link syncDirtyPages}. */
  readonly syncedAt: number;
}

/** Looks at what a pack is to be of. */
export function packPrepare(
  areas: OpenAreas,
  request: { tree: Tree; baseline?: string },
): Prepared {
  using top = openTree(areas, request.tree);
  const directories = request.baseline === undefined || !notesStores(top)
    ? undefined
    : directoriesOf(areas, request.baseline);
  const settledAt = syncDirtyPages(top);
  return { syncedAt: settledAt, ...(directories === undefined ? {} : { directories }) };
}

/**
 * `linux/magic.h`: tmpfs and ramfs. They never write pages back, and so never note a store to a mapped
 * file after its first: nothing but its content tells that it has changed.
 */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6];

/** Whether a file that has changed shows it by its ctime. */
function notesStores(top: Directory): boolean {
  return !IN_MEMORY.includes(fileSystemType(top));
}

/**
 * Writes back every dirty page, so that each store to a mapped file from now on shows in its ctime:
 * the kernel notes only the first store to a page since it was last written back.
 * @returns the time, in milliseconds, since when a file that changes shows it
 */
function syncDirtyPages(top: Directory): number {
  const now = Date.now();
  top.syncFileSystem();
  return now;
}

function directoriesOf(areas: OpenAreas, baseline: string): number | undefined {
  checkBaselineName(baseline);
  return ifReadable(() => {
    using file = areas.baselines.openFile(baseline);
    verifyBaseline(file);
    return new BaselineReader(file).directories;
  });
}

/** The layers of the image that a baseline describes; none where there is no such baseline. */
export function baselineLayers(areas: OpenAreas, request: { name: string }): LayerDescriptor[] {
  checkBaselineName(request.name);
  const layers: readonly LayerInfo[] = ifReadable(() => {
    using file = areas.baselines.openFile(request.name);
    return readHeader(file).layers;
  }) ?? [];
  return layers.map(({ digest, size, diffId }) => ({ digest, size, diffId }));
}

/** Deletes files of the spool. No error for those that are not there. */
export function discardSpool(areas: OpenAreas, request: { names: readonly string[] }): void {
  for (const name of request.names) {
    try {
      areas.spool.unlink(name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
