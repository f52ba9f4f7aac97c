/** Lists the files of a folder tree as keys of a store. */

import { join } from "@std/path";
import type { ObjectInfo } from "../object_store.ts";
import { isMissing } from "./file_errors.ts";

/**
 * Lists the regular files below `base` whose path relative to it starts with `prefix`, which may end in
 * the middle of a name. Skips what is removed meanwhile; does not follow links.
 * @param after lists only what comes after it, in ascending order, and looks at nothing else
 */
export async function* walkKeys(
  base: string,
  prefix: string,
  after?: string,
): AsyncGenerator<ObjectInfo> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  yield* walkFolder(base, folder, { prefix, after });
}

/** Which keys are wanted. */
interface Wanted {
  readonly prefix: string;
  readonly after: string | undefined;
}

async function* walkFolder(
  base: string,
  folder: string,
  wanted: Wanted,
): AsyncGenerator<ObjectInfo> {
  const { prefix, after } = wanted;
  const entries = entriesOf(join(base, folder));
  for await (const entry of after === undefined ? entries : sorted(entries)) {
    const key = keyOf(entry, folder);
    if (entry.isDirectory) {
      if (key.startsWith(prefix) && mayFollow(key, after)) yield* walkFolder(base, key, wanted);
    } else if (entry.isFile && key.startsWith(prefix) && (after === undefined || key > after)) {
      const info = await statOf(join(base, key));
      if (info?.isFile) yield { key, size: info.size, modified: info.mtime?.getTime() ?? 0 };
    }
  }
}

/** Returns an entry's key; that of a folder ends in a slash, as what all keys below it begin with. */
function keyOf({ name, isDirectory }: Deno.DirEntry, folder = ""): string {
  return `${folder}${name}${isDirectory ? "/" : ""}`;
}

/** Returns whether a key below a folder may come after another one. */
function mayFollow(folder: string, after: string | undefined): boolean {
  return after === undefined || folder > after || after.startsWith(folder);
}

async function* sorted(entries: AsyncIterable<Deno.DirEntry>): AsyncGenerator<Deno.DirEntry> {
  yield* (await Array.fromAsync(entries)).sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
}

async function* entriesOf(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Returns the metadata of a path, of a link itself; `undefined` where there is nothing. */
export async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
