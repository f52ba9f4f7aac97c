/** Makes, clones and deletes bases; `bases.ts` says what they are. */

import { DaemonError } from "../../errors.ts";
import {
  type Directory,
  DT,
  type Entry,
  fileSystemSpace,
  ignoreErrno,
  isReadOnlySubvolume,
  isSubvolumeTop,
  setReadOnlySubvolume,
  subvolumeInfo,
  SystemError,
  timespec,
} from "../../linux/mod.ts";
import { deleteEntry } from "../delete_entry.ts";
import { checkAreaName, type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { copyBaseline, readAliases } from "../baseline/baseline_aliases.ts";
import { BaselineReader } from "../baseline/baseline_reader.ts";
import { newBaselineToken } from "../baseline/tokens.ts";
import type { BaseRecord, FrozenCopy, NewBase } from "../bases.ts";
import { Budget } from "../budget.ts";
import { baselineFileOf, factsFileOf, isBaseId, readFacts, writeFacts } from "../base_files.ts";
import { hasNodeXattrs } from "../read_xattrs.ts";
import { countEntries } from "../restore/count_entries.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import type { Tree } from "../tree.ts";
import { isTreeName } from "../tree_names.ts";
import { volumeAt } from "../volume/choose_volume.ts";
import { type DeviceAlias, nameInBaseline } from "../volume/device_names.ts";
import type { Clone } from "../volume/volume.ts";
import { exists } from "./trees.ts";

/** Makes an empty tree that is to become a base. */
export function makeBase(areas: OpenAreas, { name }: { name: string }): void {
  requireStaging({ area: "bases", name });
  volumeAt(areas.staging).make(areas.bases, name);
}

/**
 * Makes a tree that was filled a base. All of it is durable before it has its name.
 * @throws {DaemonError} ALREADY_EXISTS
 */
export function sealBase(areas: OpenAreas, request: { name: string; base: NewBase }): void {
  const { name, base } = request;
  const tree: Tree = { area: "bases", name };
  requireStaging(tree);
  using top = openTree(areas, tree);
  commit(areas, name, base, {
    uuid: subvolumeInfo(top).uuid,
    aliasesOf: () => [],
    prepare() {
      top.syncFileSystem();
      setReadOnlySubvolume(top, true);
    },
  });
}

/**
 * Makes a frozen copy a base. What it shows is durable; its facts need not be, since a base whose
 * facts a loss of power has damaged is deleted by the next start.
 * @returns false where a restore of the image would not make what it holds; it is deleted then
 * @throws {DaemonError} ALREADY_EXISTS
 */
export function adoptBase(
  areas: OpenAreas,
  { copy, base }: { copy: FrozenCopy; base: NewBase },
): boolean {
  requireStaging(copy.tree);
  using top = openTree(areas, copy.tree);
  if (hasNodeXattrs(top)) {
    removeBase(areas, { name: copy.tree.name });
    return false;
  }
  commit(areas, copy.tree.name, base, {
    uuid: subvolumeInfo(top).uuid,
    aliasesOf: (aliases) => throughBase(copy.aliases, aliases),
    prepare() {},
  });
  return true;
}

/** Returns the aliases of copies in a baseline that has aliases for what they are copies of. */
function throughBase(
  copies: readonly DeviceAlias[],
  aliases: readonly DeviceAlias[],
): DeviceAlias[] {
  return copies.map(({ name, standsFor }) => ({
    name,
    standsFor: nameInBaseline(standsFor, aliases),
  }));
}

interface Commit {
  readonly uuid: string;
  /** Returns the aliases of the base's baseline from those of the tree's. */
  aliasesOf(aliases: readonly DeviceAlias[]): readonly DeviceAlias[];
  /** Makes the tree one that may have its name. */
  prepare(): void;
}

function commit(
  areas: OpenAreas,
  name: string,
  { id, facts, baseline }: NewBase,
  { uuid, aliasesOf, prepare }: Commit,
): void {
  checkId(id);
  const { bases } = areas;
  if (exists(areas, { tree: { area: "bases", name: id } })) {
    throw new DaemonError("ALREADY_EXISTS", `there is a base ${id} already`);
  }
  try {
    writeFacts(bases, id, { uuid, ...facts });
    ignoreErrno(["ENOENT"], () => bases.unlink(baselineFileOf(id)));
    if (baseline !== undefined) {
      using from = areas.baselines.openFile(baseline);
      using to = bases.createFile(baselineFileOf(id));
      copyBaseline(from, to, aliasesOf(readAliases(from).aliases));
    }
    prepare();
    bases.rename(name, bases, id, { exclusive: true });
  } catch (error) {
    for (const file of [factsFileOf(id), baselineFileOf(id)]) {
      ignoreErrno(["ENOENT"], () => bases.unlink(file));
    }
    throw error;
  }
}

/** Replaces an empty staging tree by a clone of a base; see `Bases.clone`. */
export function cloneBase(
  areas: OpenAreas,
  { id, tree }: { id: string; tree: Tree },
): { newBaseline?: string } {
  requireStaging(tree);
  using base = openBase(areas, id);
  const volume = volumeAt(areas.staging);
  if (tree.area !== "staging" || !volume.snapshots) {
    throw new DaemonError("INVALID_ARGUMENT", `cannot clone a base into ${tree.area}/${tree.name}`);
  }
  const { uid, gid, permissions } = areas.staging.statEntry(tree.name);
  areas.staging.removeDirectory(tree.name);
  let clone: Clone;
  try {
    clone = volume.snapshots.clone(base, areas.staging, tree.name, { isDurable: true });
    // A base that is being deleted is writable before anything in it goes, so that this clone is whole.
    if (!isReadOnlySubvolume(base)) {
      deleteEntry(areas.staging, tree.name, areas.trash);
      throw noBase(areas, id);
    }
  } catch (error) {
    volume.make(areas.staging, tree.name);
    using top = openTree(areas, tree);
    setOwnerAndMode(top, { uid, gid }, permissions);
    throw error;
  }
  ignoreErrno(["ENOENT"], () => {
    const usedAt = timespec(BigInt(Date.now()) * 1_000_000n);
    areas.bases.setEntryTimes(factsFileOf(id), usedAt);
  });
  const newBaseline = copyBaselineOf(areas, id, clone);
  return newBaseline === undefined ? {} : { newBaseline };
}

/**
 * Writes the baseline of a clone.
 * @returns its token; none where there is none or it cannot be copied: then the next save reads
 *   every file
 */
function copyBaselineOf(
  areas: OpenAreas,
  id: string,
  { aliases, copies }: Clone,
): string | undefined {
  const token = newBaselineToken();
  try {
    using from = areas.bases.openFile(baselineFileOf(id));
    using to = areas.baselines.createFile(token);
    copyBaseline(from, to, throughBase(aliases, readAliases(from).aliases), copies);
    return token;
  } catch (error) {
    if (!(error instanceof SystemError) && !(error instanceof RangeError)) throw error;
    ignoreErrno(["ENOENT"], () => areas.baselines.unlink(token));
    return undefined;
  }
}

/** Opens the tree of a base. @throws {DaemonError} FAILED_PRECONDITION where it is none */
function openBase(areas: OpenAreas, id: string): Directory {
  checkId(id);
  using stack = new DisposableStack();
  const top = stack.use(openTree(areas, { area: "bases", name: id }));
  if (!isSubvolumeTop(top.stat()) || !isReadOnlySubvolume(top)) throw noBase(areas, id);
  stack.move();
  return top;
}

function noBase({ bases }: OpenAreas, id: string): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `${bases.locationOf(id)} is no base any more: it was made writable, replaced or deleted`,
    { reason: "CONTENT_MISSING" },
  );
}

/** Counts what a base takes on disk, by its baseline, and notes it. */
export function measureBase(areas: OpenAreas, { id }: { id: string }): number {
  checkId(id);
  const facts = readFacts(areas.bases, id);
  if (!facts) throw noBase(areas, id);
  if (facts.diskBytes !== undefined) return facts.diskBytes;
  using file = areas.bases.openFile(baselineFileOf(id));
  const reader = new BaselineReader(file);
  const budget = new Budget({ subject: "image", trusted: true });
  const blocks = function* () {
    for (let n = 0; n < reader.directories; n++) yield reader.block(n);
  };
  countEntries(blocks(), budget);
  // Facts of a base that was deleted meanwhile must not come back, nor take the place of another's.
  if (readFacts(areas.bases, id)?.uuid === facts.uuid) {
    writeFacts(areas.bases, id, { ...facts, diskBytes: budget.diskBytes });
  }
  return budget.diskBytes;
}

/**
 * Deletes what a scan has found to be half-made, unless it belongs to a base that was made since.
 * @throws {DaemonError} as {@link removeBase}
 */
export function removeHalfMadeBase(areas: OpenAreas, { name }: { name: string }): void {
  const id = name.split(".")[0]!;
  if (!isBaseId(id) || !recordOf(areas, id)) removeBase(areas, { name });
}

/** Lists the bases that are whole. */
export function listBases(areas: OpenAreas, _request: Record<never, never>): BaseRecord[] {
  return scanBases(areas).bases;
}

/** What is in the folder of bases. */
export interface BaseScan {
  readonly bases: BaseRecord[];
  /** Names of what never became a base, or is one no longer. */
  readonly halfMade: string[];
  /** What wsdaemon did not make. */
  readonly foreign: Entry[];
}

/** Sorts everything in the folder of bases into bases and what is none. Deletes nothing. */
export function scanBases(areas: OpenAreas): BaseScan {
  const scan: BaseScan = { bases: [], halfMade: [], foreign: [] };
  using folder = areas.bases.openDirectory(".");
  const entries = [...folder.entries()];
  const decoder = new TextDecoder();
  const whole = new Map<string, BaseRecord>();
  for (const { name, type } of entries) {
    const id = decoder.decode(name);
    if (!isBaseId(id) || type !== DT.DIR && type !== DT.UNKNOWN) continue;
    const record = recordOf(areas, id);
    if (record) whole.set(id, record);
  }
  for (const entry of entries) {
    const name = decoder.decode(entry.name);
    const [id, ...suffix] = name.split(".");
    if (isTreeName(name)) scan.halfMade.push(name);
    else if (!isBaseId(id!) || suffix.length > 1) scan.foreign.push(entry);
    else if (!whole.has(id!)) scan.halfMade.push(name);
  }
  scan.bases.push(...whole.values());
  return scan;
}

/** Returns what is known of a base; `undefined` where it is not whole. */
function recordOf(areas: OpenAreas, id: string): BaseRecord | undefined {
  const facts = readFacts(areas.bases, id);
  if (!facts) return undefined;
  try {
    using top = openBase(areas, id);
    const { uuid, ...rest } = facts;
    if (subvolumeInfo(top).uuid !== uuid) return undefined;
    const { sec, nsec } = areas.bases.statEntry(factsFileOf(id)).mtime;
    return { id, ...rest, usedAt: sec * 1000 + nsec / 1e6 };
  } catch (error) {
    if (error instanceof DaemonError || error instanceof SystemError) return undefined;
    throw error;
  }
}

/**
 * Deletes a base, or what was to become one. Without its facts, which go first, it is none.
 * @throws {DaemonError} the first failure; what is left is deleted by the next start
 */
export function removeBase(areas: OpenAreas, { name }: { name: string }): void {
  checkAreaName(name, "the base's name");
  const { bases, staging, trash } = areas;
  if (isBaseId(name)) {
    for (const file of [factsFileOf(name), baselineFileOf(name)]) {
      ignoreErrno(["ENOENT"], () => bases.unlink(file));
    }
  }
  volumeAt(staging).remove(bases, name, trash);
}

/** Returns the bytes of the file system that bases are on. */
export function spaceOfBases(
  areas: OpenAreas,
  _request: Record<never, never>,
): { size: number; free: number } {
  return fileSystemSpace(areas.bases);
}

function checkId(id: string): void {
  if (isBaseId(id)) return;
  throw new DaemonError("INVALID_ARGUMENT", `${JSON.stringify(id)} is not the id of a base`);
}
