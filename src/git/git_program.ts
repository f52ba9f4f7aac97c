/** The git that is on this machine, or why there is none to use. */

import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { SHELL } from "./process.ts";

/** What was found of Git when the daemon started. */
export type GitFinding = { git: { path: string; version: string } } | { problem: string };

/** Tells the log at start what initializers and callers will be told later. */
export function reportFinding(finding: GitFinding): void {
  const log = logger("git");
  if ("problem" in finding) {
    log.error("Git initializers and git_status will not work: {problem}", {
      problem: finding.problem,
    });
  } else {
    log.info("Using git {version} at {path}", finding.git);
  }
}

/** Returns the absolute paths of the programs that the daemon starts to run git; none without git. */
export function programsOf(finding: GitFinding): string[] {
  return "git" in finding ? [SHELL] : [];
}

/** The absolute path of git. @throws {DaemonError} FAILED_PRECONDITION where there is no usable one */
export function programOf(finding: GitFinding): string {
  if ("git" in finding) return finding.git.path;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Git cannot be used on this node: ${finding.problem}`,
  );
}
