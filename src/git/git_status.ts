import type { Tree } from "../content/mod.ts";

/** The state of a Git checkout; lists are cut at 100 entries and a last "... and N more". */
export interface GitStatus {
  branch: string;
  /** The full hash of HEAD; empty where there is no commit. */
  latestCommit: string;
  uncommittedFiles: string[];
  untrackedFiles: string[];
  /** Each `<short hash>: <subject>`. */
  unpushedCommits: string[];
  totalUncommittedFiles: number;
  totalUntrackedFiles: number;
  totalUnpushedCommits: number;
}

export interface GitStatusReader {
  /**
   * The status of the checkout at `location` in the tree; `undefined` where there is no repository.
   * Runs as the content's owner, hardened. @throws DaemonError where Git fails or takes too long.
   */
  status(
    tree: Tree,
    location: string,
    options?: { signal?: AbortSignal },
  ): Promise<GitStatus | undefined>;
}
