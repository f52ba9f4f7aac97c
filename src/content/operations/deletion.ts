/** Deletes trees, what the trash holds, and what a killed daemon left. */

import { DT, isErrno, SystemError } from "../../linux/mod.ts";
import type { Directory, Entry, Name } from "../../linux/mod.ts";
import { DaemonError, messageOf } from "../../errors.ts";
import type { Leftovers } from "../content.ts";
import type { OperationContext } from "../operation.ts";
import type { Tree } from "../tree.ts";
import { deletionError } from "../deletion_error.ts";
import {
  deleteContents,
  deleteEntry,
  makeWritable,
  type RemovalOptions,
  type Removed,
  unlockEntry,
} from "../delete_entry.ts";
import { volumeAt } from "../volume/choose_volume.ts";
import { checkAreaName, type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { groupOf, isTemporaryName, isTreeName, newTreeName } from "../tree_names.ts";
import { isBaselineToken } from "../baseline/tokens.ts";
import { scanBases } from "./bases.ts";
import { isThere } from "./folders.ts";

/** Entries that are deleted between two reports of how many. */
const ENTRIES_PER_REPORT = 64;

/**
 * Deletes a group's trees in the trash for about `budgetMs`. The time starts at the first deletion,
 * so that each call makes progress even if listing what cannot be deleted takes longer.
 * @returns whether all are deleted
 * @throws {DaemonError} the first failure, once everything else is deleted
 */
export function deleteTrash(
  areas: OpenAreas,
  request: { group: string; budgetMs: number },
  context: OperationContext,
): boolean {
  const { group, budgetMs } = request;
  let end: number | undefined;
  let deleted = 0;
  const isTimeUp = () => {
    if (++deleted % ENTRIES_PER_REPORT === 0) context.report(deleted, 0);
    return performance.now() >= (end ??= performance.now() + budgetMs);
  };
  const failures: unknown[] = [];
  for (const name of namesOfGroup(areas.trash, group)) {
    try {
      const removed = deleteOnFullDisk(areas, areas.trash, name, { group, isTimeUp });
      if (removed === "left") return false;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return true;
}

/**
 * Deletes a tree in place, for a disk too full even to move it to the trash; of a workspace, also
 * its trees in staging.
 * @returns the group to delete in the trash next
 * @throws {DaemonError} the first failure, once everything else is deleted
 */
export function deleteInPlace(areas: OpenAreas, request: { tree: Tree }): string {
  const { group, entries } = entriesOfTree(areas, request.tree);
  const failures: unknown[] = [];
  for (const { area, name } of entries) {
    try {
      deleteOnFullDisk(areas, area, name, { group });
      area.sync();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return group;
}

/**
 * Deletes an entry; if the disk is too full, a second time: the first attempt has freed the space
 * that moving deep directories needs.
 */
function deleteOnFullDisk(
  areas: OpenAreas,
  area: Directory,
  name: string,
  options: RemovalOptions,
): Removed {
  const volume = volumeAt(areas.staging);
  try {
    return volume.remove(area, name, areas.trash, options);
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "RESOURCE_EXHAUSTED") throw error;
    return volume.remove(area, name, areas.trash, options);
  }
}

/** Deletes everything in a staging tree, but not the tree. */
export function clear(areas: OpenAreas, request: { tree: Tree }): void {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  deleteContents(top, areas.trash, { group: groupOf(request.tree.name) });
}

/**
 * Moves a tree to the trash in one durable step; of a workspace, also its trees in staging.
 * Succeeds if there is none.
 * @returns the group to delete in the trash next
 */
export function trash(areas: OpenAreas, request: { tree: Tree }): string {
  const { group, entries } = entriesOfTree(areas, request.tree);
  const failures: unknown[] = [];
  for (const { area, name } of entries) {
    try {
      moveToTrash(areas, area, name, group);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return group;
}

/**
 * Returns a tree's group and its entry in its area, unless others are to stay there; for a workspace,
 * also its trees in staging.
 */
function entriesOfTree(areas: OpenAreas, tree: Tree) {
  const { area, name } = tree;
  checkAreaName(name, "the tree's name");
  if (area !== "workspaces") {
    return { group: groupOf(name), entries: [{ area: areas[area], name }] };
  }
  const staged = namesOfGroup(areas.staging, name).map((name) => ({ area: areas.staging, name }));
  const published = isToBeMoved(areas, tree) ? [{ area: areas.workspaces, name }] : [];
  return { group: name, entries: [...published, ...staged] };
}

/** Returns whether what is at a published tree's path is the tree, and is removed as a whole. */
function isToBeMoved(areas: OpenAreas, tree: Tree): boolean {
  if (!tree.folder) return true;
  return tree.folder.removal === "trash" && isThere(areas, tree);
}

function moveToTrash(areas: OpenAreas, from: Directory, name: string, group: string): void {
  const move = () => from.rename(name, areas.trash, newTreeName(group), { exclusive: true });
  try {
    try {
      move();
    } catch (error) {
      if (!isErrno(error, "EACCES", "EROFS")) throw error;
      // A directory that is read-only even to its owner cannot get another parent.
      if (error.errno === "EROFS") makeWritable(from, name);
      else unlockEntry(from, name);
      move();
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error instanceof SystemError ? deletionError(error, from, name) : error;
  }
  areas.trash.sync();
  from.sync();
}

/** The group of Git's private folders in the trash. No workspace id starts with a dot. */
const SCRATCH_GROUP = ".git";

/** Returns what an earlier daemon left half-made or half-deleted. Deletes nothing. */
export function leftovers(areas: OpenAreas, _request: Record<never, never>): Leftovers {
  const foreign: string[] = [];
  const sort = (dir: Directory, isOurs: (name: string, entry: Entry) => boolean) => {
    const ours: string[] = [];
    for (const entry of entriesOf(dir)) {
      const name = textOf(entry.name);
      if (name !== undefined && isOurs(name, entry)) ours.push(name);
      else foreign.push(dir.locationOf(entry.name));
    }
    return ours;
  };
  sort(areas.workspaces, (_, { type }) => type === DT.DIR || type === DT.UNKNOWN);
  const staging = sort(areas.staging, isTreeName);
  const trash = new Set(sort(areas.trash, isTreeName).map(groupOf));
  const scratch = sort(areas.scratch, isTreeName);
  const isFile = ({ type }: Entry) => type === DT.REG || type === DT.UNKNOWN;
  const spool = sort(areas.spool, (name, entry) => isTemporaryName(name) && isFile(entry));
  const { halfMade: bases, foreign: strange } = scanBases(areas);
  foreign.push(...strange.map(({ name }) => areas.bases.locationOf(name)));
  const tokens = [...entriesOf(areas.baselines)].map(({ name }) => textOf(name))
    .filter((name) => name !== undefined && isBaselineToken(name)) as string[];
  return { staging, trash: [...trash], bases, scratch, spool, tokens, foreign };
}

/**
 * Deletes spool files and uncommitted baselines, and moves Git's private folders to the trash.
 * @returns the group of those folders, and a message for each entry that could not be deleted
 */
export function discardLeftovers(
  areas: OpenAreas,
  request: Pick<Leftovers, "scratch" | "spool" | "tokens">,
): { group: string; failures: string[] } {
  const failures: string[] = [];
  const attempt = (action: () => unknown) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      failures.push(messageOf(error));
    }
  };
  for (const name of request.spool) attempt(() => deleteEntry(areas.spool, name, areas.trash));
  for (const name of request.tokens) attempt(() => deleteEntry(areas.baselines, name, areas.trash));
  for (const name of request.scratch) {
    attempt(() => moveToTrash(areas, areas.scratch, name, SCRATCH_GROUP));
  }
  return { group: SCRATCH_GROUP, failures };
}

function namesOfGroup(area: Directory, group: string): string[] {
  const names = [...entriesOf(area)].map(({ name }) => textOf(name));
  return names.filter((name) =>
    name !== undefined && isTreeName(name) && groupOf(name) === group
  ) as string[];
}

/** Yields an area's entries by a handle of its own, so that two requests never share a position. */
function* entriesOf(area: Directory): Generator<Entry> {
  using handle = area.openDirectory(".");
  yield* handle.entries();
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/** Returns a name as text; `undefined` if it is not UTF-8, as every name that wsdaemon gives is. */
function textOf(name: Name): string | undefined {
  if (typeof name === "string") return name;
  try {
    return strictDecoder.decode(name);
  } catch {
    return undefined;
  }
}
