/** Lends a tree to a workspace, and takes it back. */

import { join } from "@std/path";

/** Moves all entries of a folder into another one on the same file system. */
export async function moveEntries(from: string, to: string): Promise<void> {
  for await (const { name } of Deno.readDir(from)) {
    await Deno.rename(join(from, name), join(to, name));
  }
}
