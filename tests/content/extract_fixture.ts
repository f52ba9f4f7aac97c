/** Extracting archives in tests, by ours and by GNU tar. */

import { join } from "@std/path";
import { decompress } from "../../src/archive/decompress.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";
import { Abilities } from "../../src/content/abilities.ts";
import type { ArchiveOptions } from "../../src/content/restore/restore_result.ts";
import { extractArchive, type ExtractResult } from "../../src/content/extract/extract_archive.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { run } from "../fixtures/tools.ts";
import type { TreeEntry } from "../fixtures/tree.ts";

/** Extracts into an existing folder, on this thread. */
export async function extractTo(
  path: string,
  archive: Uint8Array,
  options: Partial<ArchiveOptions> = {},
): Promise<ExtractResult> {
  openLibc(libcPath());
  using top = Directory.open(path, "tree");
  using scratch = Directory.open(join(path, ".."), "scratch");
  const source = await decompress(bytesSource(archive), options.compression ?? "none");
  return extractArchive(new TarReader(source), top, new Abilities(scratch), {
    bytes: options.limitBytes,
    trusted: options.trusted ?? false,
    throwIfCancelled() {},
  });
}

/** Extracts with GNU tar as root would. */
export async function gnuExtract(into: string, archive: Uint8Array): Promise<void> {
  const file = join(into, "..", `${crypto.randomUUID()}.tar`);
  await Deno.writeFile(file, archive);
  await run(into, "tar", "-xpf", file, "--numeric-owner", "--xattrs", "--xattrs-include=user.*");
  await Deno.remove(file);
}

/** A folder in another. */
export async function folderIn(parent: string, name: string): Promise<string> {
  const path = join(parent, name);
  await Deno.mkdir(path);
  return path;
}

/** A tree without the times of some of its paths. */
export function withoutTimes(tree: TreeEntry[], untimed: readonly string[]): TreeEntry[] {
  return tree.map((entry) => untimed.includes(entry.path) ? { ...entry, mtime: "" } : entry);
}

/** What we make of a tree from a foreign archive: no devices, no set-id bits. */
export function expected(tree: TreeEntry[], untimed: readonly string[]): TreeEntry[] {
  return withoutTimes(tree, untimed).filter(({ type }) => type !== "device").map((entry) => ({
    ...entry,
    mode: (parseInt(entry.mode, 8) & 0o1777).toString(8).padStart(4, "0"),
  }));
}

export const isRoot = Deno.uid() === 0;
export const ROOT_ONLY = isRoot ? "" : " (ignored: needs root)";
