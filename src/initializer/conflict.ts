import type { Content, ContentEntry, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

const WORDS: Readonly<Record<ContentEntry["type"], string>> = {
  directory: "a folder",
  file: "a file",
  other: "no regular file",
  symlink: "a symbolic link",
};

/**
 * Returns the error for a file that could not be put at `path`: FAILED_PRECONDITION, naming what of the
 * workspace is in its way.
 */
export async function conflictError(
  content: Content,
  tree: Tree,
  path: string,
  cause: DaemonError,
): Promise<DaemonError> {
  const blocker = await describeBlocker(content, tree, path.split("/"));
  return new DaemonError(
    "FAILED_PRECONDITION",
    blocker ?? "something in the workspace is in its way",
    { reason: "CONTENT_CONFLICT", cause },
  );
}

/** Describes the first entry of a path that is there and is not what it would have to be. */
async function describeBlocker(
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
