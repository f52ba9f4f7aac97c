/**
 * Names, commits and deletes baselines. A committed baseline's file is named by its workspace's id, an
 * uncommitted one's by a token, which starts with a dot as no id does: the two never collide.
 */

import { DaemonError } from "../../errors.ts";
import { isErrno } from "../../linux/mod.ts";
import { checkAreaName, type OpenAreas } from "../areas.ts";
import { deleteEntry } from "../delete_entry.ts";

/** Returns a fresh token. */
export function newBaselineToken(): string {
  return `.${crypto.randomUUID()}`;
}

/** Returns whether a name is an uncommitted baseline's token. */
export function isBaselineToken(name: string): boolean {
  return name.startsWith(".");
}

/** Checks the name of a committed baseline. @throws {DaemonError} INVALID_ARGUMENT */
export function checkBaselineName(name: string): void {
  checkAreaName(name, "the baseline's name");
  if (isBaselineToken(name)) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `the baseline's name ${name} must not start with "."`,
    );
  }
}

/**
 * Makes an uncommitted baseline the one of that name, durably and in one step. That of a clone is not
 * synced: what a loss of power may leave of it fits no tree, so that the next image reads every file.
 * @throws {DaemonError} INVALID_ARGUMENT, or NOT_FOUND if there is no such token
 */
export function commitBaseline(
  areas: OpenAreas,
  request: { token: string; name: string; isClone?: boolean },
): void {
  const { token, name, isClone } = request;
  checkAreaName(token, "the baseline's token");
  checkBaselineName(name);
  if (!isBaselineToken(token)) {
    throw new DaemonError("INVALID_ARGUMENT", `${token} is not the token of a new baseline`);
  }
  try {
    using file = areas.baselines.openFile(token);
    if (!isClone) file.sync();
    replace(areas, token, name);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    throw new DaemonError("NOT_FOUND", `there is no new baseline ${token}`, { cause: error });
  }
  if (!isClone) areas.baselines.sync();
}

function replace(areas: OpenAreas, token: string, name: string): void {
  try {
    areas.baselines.rename(token, areas.baselines, name);
  } catch (error) {
    // There is a folder of that name, which rename(2) does not replace by a file.
    if (!isErrno(error, "EISDIR", "ENOTEMPTY", "EEXIST")) throw error;
    deleteEntry(areas.baselines, name, areas.trash);
    areas.baselines.rename(token, areas.baselines, name);
  }
}

/** Deletes a baseline, durably. Succeeds if it does not exist. */
export function dropBaseline(areas: OpenAreas, request: { name: string }): void {
  checkAreaName(request.name, "the baseline's name");
  if (deleteEntry(areas.baselines, request.name, areas.trash) !== "absent") areas.baselines.sync();
}
