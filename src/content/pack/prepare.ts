/** Prepares a pack, and reads what a baseline says of its image. */

import { withContainerIds } from "../id_map.ts";
import { ArchiveError } from "../../archive/mod.ts";
import type { Digest } from "../../digest.ts";
import { messageOf } from "../../errors.ts";
import {
  type DeviceName,
  type Directory,
  effectiveUser,
  type File,
  fileSystemType,
  isErrno,
  nameDevices,
  SystemError,
} from "../../linux/mod.ts";
import {
  descriptorOf,
  type IndexChain,
  type LayerDescriptor,
  layersInUse,
} from "../../image/mod.ts";
import type { Tree } from "../tree.ts";
import { readAliases } from "../baseline/baseline_aliases.ts";
import {
  BaselineReader,
  loadVerifiedBaseline,
  readImageOf,
  verifyBaseline,
} from "../baseline/baseline_reader.ts";
import { checkBaselineName } from "../baseline/tokens.ts";
import { revisitSince } from "./revisit/revisit_since.ts";
import type { RevisitPlan } from "./revisit/revisit_plan.ts";
import { type DeviceAlias, devicesInBaseline } from "../volume/device_names.ts";
import { type ExcludeRules, excludeRules, reasonToWalk } from "./exclude/exclude_rules.ts";
import { Excludes } from "./exclude/excludes.ts";
import type { PackExcludes } from "./pack_result.ts";
import { syncDirtyPages } from "./sync_pages.ts";
import { type OpenAreas, openTree } from "../areas.ts";

/** What was read from a baseline, or why it cannot be used; neither if there is no baseline. */
interface Reading<T> {
  value?: T;
  problem?: string;
}

/**
 * Reads a baseline. A baseline that cannot be used is no error: the pack reads every file and
 * replaces it, be it incomplete after a crash, replaced by somebody, or on a failing disk.
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

/** The result of {@link packPrepare}. */
export interface Prepared {
  /**
   * The number of directories in the baseline; absent if there is none, or none that can be used.
   */
  readonly directories?: number;
  /** The verified baseline, if Workers are to share it. */
  readonly memory?: SharedArrayBuffer;
  /** What the baseline calls subvolumes of the tree; see `baseline_aliases.ts`. */
  readonly aliases?: readonly DeviceAlias[];
  /** Why the baseline that exists cannot be used. */
  readonly problem?: string;
  /** See {@link syncDirtyPages}. */
  readonly syncedAt: number;
  /** What is to be looked at; absent if the whole tree is to be walked. */
  readonly revisit?: RevisitPlan;
  /** Why the whole tree is to be walked, though it is frozen. */
  readonly walkReason?: string;
  /** What is left out; absent for nothing. */
  readonly excludes?: ExcludeRules;
  /** Why the patterns in the tree cannot be gone by. */
  readonly ignoreFileProblem?: string;
}

/** What {@link packPrepare} prepares. */
export interface PrepareRequest {
  readonly tree: Tree;
  /** What the tree's devices are called in baselines. */
  readonly devices: readonly DeviceName[];
  /** The baseline's name, if it is to be used. */
  readonly baseline?: string;
  /** Layers of the baseline that are still stored. */
  readonly reuse: readonly Digest[];
  /** When the tree was frozen; absent if it is not. */
  readonly frozenAt?: number;
  /** What is to be left out. */
  readonly excludes?: PackExcludes;
}

/** Verifies the baseline, if it is to be used, and finds out what changed, or syncs dirty pages. */
export function packPrepare(areas: OpenAreas, request: PrepareRequest): Prepared {
  using top = openTree(areas, request.tree);
  const rules = request.excludes && excludeRules(top, request.excludes);
  const excludes = rules && new Excludes(rules.excludes);
  const read = (file: File) => findings(areas, { top, file, excludes }, request);
  const { value, problem }: Reading<BaselineFindings> =
    request.baseline === undefined || !showsStores(top)
      ? {}
      : readBaseline(areas, request.baseline, read);
  const syncedAt = request.frozenAt ?? syncDirtyPages(top);
  return {
    syncedAt,
    ...value,
    ...(problem === undefined ? {} : { problem }),
    ...rules,
  };
}

type BaselineFindings =
  & Pick<Prepared, "memory" | "revisit" | "walkReason">
  & Required<Pick<Prepared, "directories" | "aliases">>;

/** What a pack compares. */
interface Compared {
  readonly top: Directory;
  /** The baseline. */
  readonly file: File;
  readonly excludes: Excludes | undefined;
}

function findings(
  areas: OpenAreas,
  { top, file, excludes }: Compared,
  request: PrepareRequest,
): BaselineFindings {
  const { reuse, frozenAt, devices } = request;
  const { aliases } = readAliases(file);
  if (frozenAt === undefined) {
    verifyBaseline(file);
    return { directories: new BaselineReader(file).directories, aliases };
  }
  const memory = loadVerifiedBaseline(file);
  const baseline = new BaselineReader(memory);
  const { directories } = baseline;
  using _names = nameDevices(devicesInBaseline(devices, aliases));
  using _owners = withContainerIds();
  const walkReason = request.excludes && reasonToWalk(top, baseline, request.excludes);
  if (walkReason !== undefined) return { directories, aliases, walkReason };
  const known = { areas, top, file, baseline, aliases, excludes };
  const revisit = revisitSince({ ...known, reuse: new Set(reuse) });
  // Most of it is needed to merge what is taken over; a walk asks for its directories one by one.
  const shared = revisit.revisit && { memory: memory.buffer as SharedArrayBuffer };
  return { directories, aliases, ...shared, ...revisit };
}

/**
 * `linux/magic.h`: tmpfs and ramfs. They never write pages back, and so never note a store to a
 * mapped file after its first: nothing but its content tells that it has changed.
 */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6];

/** Returns whether every change of a file shows in its ctime. */
function showsStores(top: Directory): boolean {
  return !IN_MEMORY.includes(fileSystemType(top));
}

/** The layers of a baseline's image, and its index. */
export interface BaselineLayers {
  /** As the manifest has them; none if there is no baseline, or none that can be used. */
  layers: LayerDescriptor[];
  /** Absent where the baseline does not say. */
  index?: IndexChain;
  /** Why the baseline that exists cannot be used. */
  problem?: string;
}

/** Returns the layers of the image that a baseline describes. */
export function baselineLayers(areas: OpenAreas, request: { name: string }): BaselineLayers {
  const { value, problem } = readBaseline(areas, request.name, readImageOf);
  return {
    layers: layersInUse(value?.header.layers ?? []).map(descriptorOf),
    ...(value?.index ? { index: value.index } : {}),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Deletes files of the spool; passes over those that do not exist. */
export function discardSpool(areas: OpenAreas, request: { names: readonly string[] }): void {
  for (const name of request.names) {
    try {
      areas.spool.unlink(name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
