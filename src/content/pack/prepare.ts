import { ArchiveError } from "../../archive/mod.ts";
import { messageOf } from "../../errors.ts";
import {
  type Directory,
  effectiveUser,
  type File,
  fileSystemType,
  isErrno,
  SystemError,
} from "../../linux/mod.ts";
import type { LayerDescriptor } from "../../image/mod.ts";
import type { Tree } from "../tree.ts";
import { BaselineReader, readHeader, verifyBaseline } from "../baseline/baseline_reader.ts";
import { checkBaselineName } from "../baseline/tokens.ts";
import { syncDirtyPages } from "./sync_pages.ts";
import { type OpenAreas, openTree } from "../areas.ts";

/** What a baseline tells, or why it cannot be gone by; neither where there is none. */
interface Reading<T> {
  value?: T;
  problem?: string;
}

/**
 * Reads a baseline. Whatever is wrong with it, everything is read again and it is replaced: that a
 * crash has torn it, that somebody has put something else there, that the disk fails.
 */
function readBaseline<T>(areas: OpenAreas, name: string, read: (file: File) => T): Reading<T> {
  checkBaselineName(name);
  const unusable = (why: string) => ({
    problem: `${areas.baselines.locationOf(name)} cannot be used: ${why}`,
  });
  try {
    using file = areas.baselines.openFile(name);
    const { isFile, uid } = file.stat();
    if (!isFile) return unusable("it is not a file");
    if (uid !== effectiveUser().uid) return unusable(`it belongs to another user, uid ${uid}`);
    return { value: read(file) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return {};
    if (isExpected(error)) return unusable(messageOf(error));
    throw error;
  }
}

function isExpected(error: unknown): boolean {
  return error instanceof SystemError || error instanceof RangeError ||
    error instanceof ArchiveError;
}

export interface Prepared {
  /** How many directories the baseline knows; absent where there is none, or none to go by. */
  readonly directories?: number;
  /** Why the baseline that is there cannot be gone by. */
  readonly problem?: string;
  /** See {@link syncDirtyPages}. */
  readonly syncedAt: number;
}

/** Looks at what a pack is to be of. */
export function packPrepare(
  areas: OpenAreas,
  request: { tree: Tree; baseline?: string },
): Prepared {
  using top = openTree(areas, request.tree);
  const { value, problem }: Reading<number> = request.baseline === undefined || !notesStores(top)
    ? {}
    : readBaseline(areas, request.baseline, directoriesOf);
  const settledAt = syncDirtyPages(top);
  return {
    syncedAt: settledAt,
    ...(value === undefined ? {} : { directories: value }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/**
 * `linux/magic.h`: tmpfs and ramfs. They never write pages back, and so never note a store to a
 * mapped file after its first: nothing but its content tells that it has changed.
 */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6];

/** Whether a file that has changed shows it by its ctime. */
function notesStores(top: Directory): boolean {
  return !IN_MEMORY.includes(fileSystemType(top));
}

function directoriesOf(file: File): number {
  verifyBaseline(file);
  return new BaselineReader(file).directories;
}

/** What a baseline says of its image. */
export interface BaselineLayers {
  /** None where there is no baseline, or none to go by. */
  layers: LayerDescriptor[];
  /** Why the baseline that is there cannot be gone by. */
  problem?: string;
}

/** The layers of the image that a baseline describes. */
export function baselineLayers(areas: OpenAreas, request: { name: string }): BaselineLayers {
  const { value, problem } = readBaseline(areas, request.name, (file) => readHeader(file).layers);
  const layers = (value ?? []).map(({ digest, size, diffId }) => ({ digest, size, diffId }));
  return { layers, ...(problem === undefined ? {} : { problem }) };
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
