/**
 * Writes, moves and removes files durably: temporary file, fsync, rename, fsync of the directory. A name
 * shows a whole file at every moment, also after a crash, and what was acknowledged survives a power cut.
 */

import { dirname, join } from "@std/path";
import { isMissing } from "./file_errors.ts";

/** Mode of a store's directories, which are closed to other users of the node. */
export const DIR_MODE = 0o700;
/** Mode of a store's files. */
export const FILE_MODE = 0o600;

/** How often a move is tried whose folder another process removes because it is empty. */
const MAX_RACES = 20;

/** Makes changes of a directory's entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}

/**
 * Makes a directory and its missing parents below `base`, which must exist. Each is made durable, also
 * one that exists already: the process that made it may not have done so yet.
 */
export async function makeDirectories(base: string, relative: string): Promise<void> {
  let path = base;
  for (const part of relative.split("/").filter((part) => part !== "" && part !== ".")) {
    const parent = path;
    path = join(path, part);
    try {
      await Deno.mkdir(path, { mode: DIR_MODE });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    await syncDirectory(parent);
  }
}

/** Writes a new file and makes its content durable; its name becomes so by {@link syncDirectory}. */
export async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: FILE_MODE });
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
  await file.sync();
}

/** Makes the content of an existing file durable. */
export async function syncFile(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true });
  await file.sync();
}

/** Copies a file and makes the copy's content durable; its name becomes so by {@link syncDirectory}. */
export async function copySynced(from: string, to: string, signal?: AbortSignal): Promise<void> {
  using source = await Deno.open(from, { read: true });
  using target = await Deno.open(to, { write: true, createNew: true, mode: FILE_MODE });
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    signal?.throwIfAborted();
    const read = await source.read(buffer);
    if (read === null) break;
    for (let written = 0; written < read;) {
      written += await target.write(buffer.subarray(written, read));
    }
  }
  await target.sync();
}

/**
 * Moves a synced file to `<base>/<relative>`, replacing what is there in one step, and makes the move
 * durable. Makes the target's folders, again if another process removes them meanwhile.
 */
export async function moveDurably(from: string, base: string, relative: string): Promise<void> {
  const target = join(base, relative);
  for (let race = 1;; race++) {
    try {
      await makeDirectories(base, dirname(relative));
      await Deno.rename(from, target);
      break;
    } catch (error) {
      if (!isMissing(error) || race === MAX_RACES) throw error;
      await Deno.lstat(from);
    }
  }
  await syncNearest(dirname(target));
}

/** Makes changes of a directory's entries durable; where it was removed meanwhile, its removal. */
async function syncNearest(path: string): Promise<void> {
  try {
    await syncDirectory(path);
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    await syncNearest(dirname(path));
  }
}

/** Removes a file durably. Resolves to whether it was there. */
export async function removeDurably(path: string): Promise<boolean> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  await syncNearest(dirname(path));
  return true;
}

/** Removes the folders of `relative` that are empty, upwards, except for its first segment. */
export async function pruneUpwards(base: string, relative: string): Promise<void> {
  for (let path = dirname(relative); path.includes("/"); path = dirname(path)) {
    try {
      await Deno.remove(join(base, path));
    } catch {
      return;
    }
  }
}
