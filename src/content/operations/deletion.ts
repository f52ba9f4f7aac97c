/** Deleting trees, what the trash holds, and what a daemon that was killed has left. */

import { DT, isErrno, SystemError } from "../../linux/mod.ts";
import type { Directory, Entry, Name } from "../../linux/mod.ts";
import { DaemonError, messageOf } from "../../errors.ts";
import type { Leftovers } from "../content.ts";
import type { Tree } from "../tree.ts";
import { deletionError } from "../deletion_error.ts";
import {
  deleteContents,
  deleteEntry,
  type RemovalOptions,
  type Removed,
  unlockEntry,
} from "../delete_entry.ts";
import { checkAreaName, type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { groupOf, isTemporaryName, isTreeName, newTreeName } from "../tree_names.ts";
import { isBaselineToken } from "../baseline/tokens.ts";

/**
 * Deletes trees of a group that are in the trash, for about `budgetMs` from the first deletion on, so
 * that each call gets further however much cannot be deleted.
 * @returns whether all are gone
 * @throws {DaemonError} once everything is gone that can be deleted
 */
export function deleteTrash(
  areas: OpenAreas,
  request: { group: string; budgetMs: number },
): boolean {
  const { group, budgetMs } = request;
  let end: number | undefined;
  const isTimeUp = () => performance.now() >= (end ??= performance.now() + budgetMs);
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
 * Deletes a tree where it is, on a disk without room even for moving it to the trash; of a workspace,
 * what is left of its trees in staging, too.
 * @returns the group to delete in the trash
 */
export function deleteInPlace(areas: OpenAreas, request: { tree: Tree }): string {
  const { group, places } = placesOf(areas, request.tree);
  const failures: unknown[] = [];
  for (const { area, name } of places) {
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

/** What is deleted first makes room for what cannot be deleted without any, such as deep directories. */
function deleteOnFullDisk(
  areas: OpenAreas,
  area: Directory,
  name: string,
  options: RemovalOptions,
): Removed {
  try {
    return deleteEntry(area, name, areas.trash, options);
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "RESOURCE_EXHAUSTED") throw error;
    return deleteEntry(area, name, areas.trash, options);
  }
}

/** Empties a staging tree. */
export function clear(areas: OpenAreas, request: { tree: Tree }): void {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  deleteContents(top, areas.trash, { group: groupOf(request.tree.name) });
}

/**
 * Moves a tree to the trash in one durable step; of a workspace, what is left of its trees in staging,
 * too. No error where nothing is there.
 * @returns the group to delete in the trash
 */
export function trash(areas: OpenAreas, request: { tree: Tree }): string {
  const { group, places } = placesOf(areas, request.tree);
  const failures: unknown[] = [];
  for (const { area, name } of places) {
    try {
      moveToTrash(areas, area, name, group);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return group;
}

/** Where a tree is, and for a workspace what else is its. */
function placesOf(areas: OpenAreas, { area, name }: Tree) {
  checkAreaName(name, "the tree's name");
  if (area === "staging") return { group: groupOf(name), places: [{ area: areas.staging, name }] };
  const left = namesOfGroup(areas.staging, name).map((name) => ({ area: areas.staging, name }));
  return { group: name, places: [{ area: areas.workspaces, name }, ...left] };
}

function moveToTrash(areas: OpenAreas, from: Directory, name: string, group: string): void {
  const move = () => from.rename(name, areas.trash, newTreeName(group), { exclusive: true });
  try {
    try {
      move();
    } catch (error) {
      if (!isErrno(error, "EACCES")) throw error;
      // A directory that is read-only even to its owner cannot get another parent.
      unlockEntry(from, name);
      move();
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error instanceof SystemError ? deletionError(error, from, name) : error;
  }
  areas.trash.sync();
  from.sync();
}

/** The group that Git's private folders have in the trash; no id starts with a dot. */
const SCRATCH_GROUP = ".git";

/** What an earlier daemon has left half-made or half-deleted; it deletes nothing. */
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
  const tokens = [...entriesOf(areas.baselines)].map(({ name }) => textOf(name))
    .filter((name) => name !== undefined && isBaselineToken(name)) as string[];
  return { staging, trash: [...trash], scratch, spool, tokens, foreign };
}

/**
 * Deletes files of the spool, uncommitted baselines, and moves Git's private folders to the trash.
 * @returns the group of those folders, and what went wrong, one message for each that stays
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

/** Through another handle, so that two requests never share a position. */
function* entriesOf(area: Directory): Generator<Entry> {
  using handle = area.openDirectory(".");
  yield* handle.entries();
}

const strict = new TextDecoder("utf-8", { fatal: true });

/** `undefined` where the name is not UTF-8, as all of ours are. */
function textOf(name: Name): string | undefined {
  if (typeof name === "string") return name;
  try {
    return strict.decode(name);
  } catch {
    return undefined;
  }
}
