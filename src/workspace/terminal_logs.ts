import type { Content, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

/** A terminal log of the workspace. */
export interface TerminalLog {
  /** Relative to the tree. */
  path: string;
  /** The rest of its name, which tells the task. */
  task: string;
  /** Bytes. */
  size: number;
}

/** In this order; the first place that has any is the one. */
const PLACES = [
  { folder: "", prefix: "prebuild-log-" },
  { folder: ".gitpod", prefix: "prebuild-log-" },
  { folder: "", prefix: ".prebuild-log-" },
] as const;

const BY_NUMBER = new Intl.Collator("en", { numeric: true });

/** The terminal logs in a tree, in the order of their tasks: regular files only, never through a link. */
export async function findTerminalLogs(content: Content, tree: Tree): Promise<TerminalLog[]> {
  for (const { folder, prefix } of PLACES) {
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
