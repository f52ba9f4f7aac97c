import type { Content, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

/** A terminal log: a file in which the output of one task of the workspace was recorded. */
export interface TerminalLog {
  /** Relative to the tree. */
  path: string;
  /** The task's name: what follows the prefix in the file's name. */
  task: string;
  /** Bytes. */
  size: number;
}

/** Where logs may be, in this order; the first location that has any is used alone. */
const LOG_LOCATIONS = [
  { folder: "", prefix: "prebuild-log-" },
  { folder: ".gitpod", prefix: "prebuild-log-" },
  { folder: "", prefix: ".prebuild-log-" },
] as const;

const BY_NUMBER = new Intl.Collator("en", { numeric: true });

/**
 * Returns the terminal logs in a tree, sorted by task: regular files only, never through a symbolic link.
 * @throws {DaemonError} where the tree cannot be listed
 */
export async function findTerminalLogs(content: Content, tree: Tree): Promise<TerminalLog[]> {
  for (const { folder, prefix } of LOG_LOCATIONS) {
    const entries = await listIfThere(content, tree, folder);
    const logs = entries
      .filter((entry) => entry.type === "file" && entry.name.startsWith(prefix))
      .map((entry) => ({
        path: folder ? `${folder}/${entry.name}` : entry.name,
        task: entry.name.slice(prefix.length),
        size: entry.size,
      }))
      .filter(({ task }) => task !== "")
      .sort((a, b) => BY_NUMBER.compare(a.task, b.task));
    if (logs.length > 0) return logs;
  }
  return [];
}

/** Lists a folder of the tree; one that is missing or no folder has no entries. */
async function listIfThere(content: Content, tree: Tree, folder: string) {
  try {
    return await content.list(tree, folder);
  } catch (error) {
    const absent = error instanceof DaemonError &&
      (error.code === "NOT_FOUND" || error.code === "INVALID_ARGUMENT");
    if (folder !== "" && absent) return [];
    throw error;
  }
}
