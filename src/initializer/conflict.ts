import type { Content, ContentEntry, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

const WORDS: Readonly<Record<ContentEntry["type"], string>> = {
  directory: "a folder",
  file: "a file",
  other: "no regular file",
  symlink: "a symbolic link",
};

/** FAILED_PRECONDITION in the workspace's terms, for a file that could not be put at `place`. */
export async function conflictError(
  content: Content,
  tree: Tree,
  place: string,
  cause: DaemonError,
): Promise<DaemonError> {
  const obstacle = await findObstacle(content, tree, place.split("/"));
  return new DaemonError(
    "FAILED_PRECONDITION",
    obstacle ?? "something in the workspace is in its way",
    { cause },
  );
}

/** The first part of a path that is there and is not what it would have to be. */
async function findObstacle(
  content: Content,
  tree: Tree,
  names: readonly string[],
): Promise<string | undefined> {
  for (const [depth, name] of names.entries()) {
    const entries = await content.list(tree, names.slice(0, depth).join("/"));
    const type = entries.find((entry) => entry.name === name)?.type;
    if (type === undefined) return undefined;
    if (type === "directory" && depth < names.length - 1) continue;
    const path = JSON.stringify(names.slice(0, depth + 1).join("/"));
    return `${path} is ${WORDS[type]} in the workspace already`;
  }
  return undefined;
}
