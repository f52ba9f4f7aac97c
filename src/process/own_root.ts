/** Tells a root of wsdaemon's by what is in it, where its lock has been deleted. */

import { join } from "@std/path";
import { journalPath } from "../state_schema.ts";

const SQLITE = new TextEncoder().encode("SQLite format 3\0");

/** Folders that every start makes and nobody else has together. */
const LAYOUT = ["workspaces", "state/baselines", "tmp/staging", "tmp/trash", "tmp/spool"];

/** Returns whether the folder has our database, or all of our folders. */
export function hasOurState(root: string): boolean {
  return isDatabase(journalPath(root)) ||
    LAYOUT.every((path) => isFolder(join(root, path)));
}

function isDatabase(path: string): boolean {
  try {
    if (!Deno.lstatSync(path).isFile) return false;
    using file = Deno.openSync(path);
    const start = new Uint8Array(SQLITE.length);
    file.readSync(start);
    return start.every((byte, at) => byte === SQLITE[at]);
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}
