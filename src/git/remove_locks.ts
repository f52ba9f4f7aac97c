/**
 * Locks that a git left which ended in the midst of its work, or was at work when a snapshot was
 * taken. In a tree in which nobody else is at work, nobody is behind them.
 */

import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./session.ts";

/** As many names as an argument list can hold with ease. */
const AT_ONCE = 200;

/**
 * Removes files of the Git folder `folder`. To the git that does it they are untracked files in the
 * working tree of an empty repository of ours.
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
  for (let n = 0; n < locks.length; n += AT_ONCE) {
    const names = locks.slice(n, n + AT_ONCE).map((path) => path.slice(folder.length + 1));
    await cleaner.run(["clean", "--quiet", "--force", "-x", "--", ...names]);
  }
}
