/** The folder of a checkout's Git folder in which local work is set aside. */

import type { Owner, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { ASIDE_FOLDER } from "./git_folder.ts";
import type { GitSession } from "./git_session.ts";
import { displayOfPath, type RawPath } from "./raw_path.ts";
import type { CheckoutFiles } from "./sanitize_config.ts";
import { joinPath } from "./tree_path.ts";

/** A checkout whose local work is set aside. */
export interface ClearTargetFiles extends CheckoutFiles {
  /** A staging tree for what is to be deleted. */
  discarded: Tree;
  owner: Owner;
}

/** Returns the path in the tree of the folder that holds what an update sets aside. */
export function asideFolder(location: string, stamp: string): string {
  return joinPath(location, `.git/${ASIDE_FOLDER}/${stamp}`);
}

/** How many paths of a list are named in a message. */
const MAX_NAMED = 20;

/** Returns the first paths of a list as text, and how many more there are. */
export function listed(paths: readonly RawPath[]): string {
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : "";
  return paths.slice(0, MAX_NAMED).map((path) => JSON.stringify(displayOfPath(path))).join(", ") +
    more;
}

/** Warns of local work that could not be brought back, naming the folder that it is in. */
export function warnOfAside(
  git: GitSession,
  { location }: Pick<ClearTargetFiles, "location">,
  folder: string,
  paths: readonly RawPath[],
): void {
  if (paths.length === 0) return;
  git.warn(
    `Local files at ${JSON.stringify(location)} are in the clone target's way; they are in ` +
      `${folder}: ${listed(paths)}`,
  );
}

/** Removes the folder for local work, and the folder of all of them, where they hold no file. */
export async function discardIfEmpty(
  discarded: Tree,
  files: ClearTargetFiles,
  stamp: string,
): Promise<void> {
  const { content, tree, location } = files;
  const folder = asideFolder(location, stamp);
  if (await holdsFiles(files, folder)) return;
  const encode = (text: string) => new TextEncoder().encode(text);
  const parent = { tree, folder: joinPath(location, `.git/${ASIDE_FOLDER}`) };
  const to = { tree: discarded, folder: "" };
  await content.movePaths(
    parent,
    to,
    [{ from: encode(stamp), to: encode(`aside-${stamp}`) }],
    files.owner,
  );
  if ((await content.list(tree, parent.folder)).length > 0) return;
  const git = { tree, folder: joinPath(location, ".git") };
  const move = { from: encode(ASIDE_FOLDER), to: encode(`empty-${stamp}`) };
  await content.movePaths(git, to, [move], files.owner);
}

/** Returns whether anything but directories is in a folder, or may be. */
async function holdsFiles(
  files: Pick<ClearTargetFiles, "content" | "tree">,
  folder: string,
): Promise<boolean> {
  try {
    for (const { name, type } of await files.content.list(files.tree, folder)) {
      if (type !== "directory" || await holdsFiles(files, `${folder}/${name}`)) return true;
    }
    return false;
  } catch (error) {
    // A name that is not UTF-8 cannot be listed: there may be files in it.
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return true;
    throw error;
  }
}
