/** Tells which git is installed on this node, or why none can be used. */

import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { SHELL } from "./start_git.ts";

/** The git that was found when the daemon started, or why there is none to use. */
export type FoundGit = { git: { path: string; version: string } } | { problem: string };

/** Logs at the start which git is used, or why Git initializers will fail. */
export function reportFoundGit(found: FoundGit): void {
  const log = logger("git");
  if ("problem" in found) {
    log.error("Git initializers and git_status will not work: {problem}", {
      problem: found.problem,
    });
  } else {
    log.info("Using git {version} at {path}", found.git);
  }
}

/** Returns the absolute paths of the programs that the daemon starts to run git; none without git. */
export function programsOf(found: FoundGit): string[] {
  return "git" in found ? [SHELL] : [];
}

/** Returns the absolute path of git. @throws {DaemonError} FAILED_PRECONDITION where there is none to use */
export function programOf(found: FoundGit): string {
  if ("git" in found) return found.git.path;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Git cannot be used on this node: ${found.problem}`,
    { reason: "GIT_UNUSABLE" },
  );
}
