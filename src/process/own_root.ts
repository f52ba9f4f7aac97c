/** Tells a root of wsdaemon's by what is in it, where its lock has been deleted. */

import { join } from "@std/path";
import { journalPath, readStateVersion } from "../state_schema.ts";

/** Folders that every start makes and nobody else has together. */
const LAYOUT = ["workspaces", "state/baselines", "tmp/staging", "tmp/trash", "tmp/spool"];

/** Returns whether the folder has our database, or all of our folders. */
export function hasOurState(root: string): boolean {
  return readStateVersion(journalPath(root)) !== undefined ||
    LAYOUT.every((path) => isFolder(join(root, path)));
}

function isFolder(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}
