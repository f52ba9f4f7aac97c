import type { Tree } from "../content/mod.ts";

/** The status of a checkout. Lists have at most 100 entries, then one that says "... and N more". */
export interface GitStatus {
  /** The current branch; `(detached)` where HEAD is none. */
  branch: string;
  /** The whole hash of HEAD; empty where there is no commit. */
  latestCommit: string;
  uncommittedFiles: string[];
  untrackedFiles: string[];
  /** Each `<short hash>: <subject>`. */
  unpushedCommits: string[];
  totalUncommittedFiles: number;
  totalUntrackedFiles: number;
  totalUnpushedCommits: number;
}

/** Reads the Git status of workspaces. */
export interface GitStatusReader {
  /**
   * Returns the status of the checkout at `location` in the tree; `undefined` where there is no
   * repository. Changes nothing in the workspace and runs none of its programs.
   * @throws {DaemonError} FAILED_PRECONDITION where Git fails, the signal's reason where that fires
   */
  status(
    tree: Tree,
    location: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<GitStatus | undefined>;
}
