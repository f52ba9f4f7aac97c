import type { ClearTargetFiles } from "./aside_folder.ts";
import type { FileTime } from "./filtered_files.ts";
import type { GitSession } from "./git_session.ts";
import { commitOf } from "./local_refs.ts";
import { joinPath } from "./tree_path.ts";

/** Larger than the index of some millions of files. */
const MAX_INDEX_BYTES = 512 * 1024 * 1024;

/** A copy of an index in the spool. */
export interface SavedIndex {
  /** When the index was written; absent where there was none. */
  time: FileTime | undefined;
  /** Replaces the checkout's index by the copy, which is used up. */
  restore(): Promise<void>;
  /** Removes the copy. */
  forget(): Promise<void>;
}

/** An index of fewer bytes may have no entries, whatever its extensions. */
const SMALL_INDEX_BYTES = 4096;

/**
 * Copies the index and refreshes it. One that is empty or missing is made anew from HEAD, because every
 * file would look deleted otherwise.
 */
export async function saveIndex(
  git: GitSession,
  files: ClearTargetFiles,
): Promise<SavedIndex> {
  const { content, tree, location, owner } = files;
  const path = joinPath(location, ".git/index");
  const [state] = await content.inspectPaths(tree, location, [
    new TextEncoder().encode(".git/index"),
  ]);
  const index = state?.type === "file" ? state : undefined;
  const copy = index ? (await content.copyOut(tree, path, MAX_INDEX_BYTES)).file : undefined;
  if (!index || index.size < SMALL_INDEX_BYTES && (await git.run(["ls-files"])).stdout === "") {
    if (await commitOf(git, "HEAD") !== undefined) await git.run(["read-tree", "HEAD"]);
  }
  await git.run(["update-index", "-q", "--refresh"], { answers: [1] });
  return {
    time: index?.mtime,
    async restore() {
      if (copy) await content.place(tree, path, copy, owner, 0o644);
    },
    async forget() {
      if (copy) await content.discard(copy);
    },
  };
}
