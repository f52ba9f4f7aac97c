/**
 * Removes locks of a git that was killed, or was running when a snapshot was taken. In a staging tree no
 * other process works, so no lock is held by anyone.
 */

import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./git_session.ts";

/** How many names one command gets, well within the limit of an argument list. */
const BATCH_SIZE = 200;

/**
 * Removes lock files of the Git folder `folder` by `git clean`: an empty repository of the daemon's takes
 * that folder for its working tree, so they are untracked files to it.
 * @param git in the checkout's directory
 * @param locks paths in the tree
 */
export async function removeLocks(
  git: GitSession,
  scratch: Scratch,
  folder: string,
  locks: readonly string[],
): Promise<void> {
  if (locks.length === 0) return;
  const empty = await scratch.folder("empty");
  for (const name of ["empty/objects", "empty/refs"]) await scratch.folder(name);
  await scratch.write("empty/HEAD", "ref: refs/heads/main\n");
  const cleaner = git.withEnv({
    GIT_DIR: empty,
    GIT_WORK_TREE: ".git",
    GIT_LITERAL_PATHSPECS: "1",
  });
  for (let n = 0; n < locks.length; n += BATCH_SIZE) {
    const names = locks.slice(n, n + BATCH_SIZE).map((path) => path.slice(folder.length + 1));
    await cleaner.run(["clean", "--quiet", "--force", "-x", "--", ...names]);
  }
}
