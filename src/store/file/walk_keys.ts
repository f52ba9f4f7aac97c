/** Lists the files of a folder tree as keys of a store. */

import { join } from "@std/path";
import type { ObjectInfo } from "../object_store.ts";
import { isMissing } from "./file_errors.ts";

/**
 * Lists the regular files below `base` whose path relative to it starts with `prefix`, which may end in
 * the middle of a name. Skips what is removed meanwhile; does not follow links.
 */
export async function* walkKeys(base: string, prefix: string): AsyncGenerator<ObjectInfo> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  yield* walkFolder(base, folder, prefix);
}

async function* walkFolder(
  base: string,
  folder: string,
  prefix: string,
): AsyncGenerator<ObjectInfo> {
  for await (const entry of entriesOf(join(base, folder))) {
    const key = folder + entry.name;
    if (entry.isDirectory) {
      if (`${key}/`.startsWith(prefix)) yield* walkFolder(base, `${key}/`, prefix);
    } else if (entry.isFile && key.startsWith(prefix)) {
      const info = await statOf(join(base, key));
      if (info?.isFile) yield { key, size: info.size, modified: info.mtime?.getTime() ?? 0 };
    }
  }
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
