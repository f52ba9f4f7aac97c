/** Searches everything that a folder holds for a mark. */

import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { decompress } from "../../src/archive/decompress.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";

/** How every blob that is zstd begins. */
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Paths beneath a folder of what has the mark: in its name, in where it leads, in its bytes, or in
 * what they decompress to. No link is followed.
 */
export async function filesWith(folder: string, mark: string): Promise<string[]> {
  const found: string[] = [];
  for (const { name, isDirectory, isFile, isSymlink } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    const told = isSymlink ? Deno.readLinkSync(path) : isFile ? await contentOf(path) : "";
    if (name.includes(mark) || told.includes(mark)) found.push(path);
    if (isDirectory) found.push(...await filesWith(path, mark));
  }
  return found;
}

async function contentOf(path: string): Promise<Buffer> {
  const parts = [Deno.readFileSync(path)];
  if (ZSTD.equals(parts[0]!.subarray(0, ZSTD.length))) {
    const raw = await decompress(bytesSource(parts[0]!), "zstd");
    for (let count = -1; count !== 0;) {
      const part = new Uint8Array(1 << 16);
      count = raw.read(part);
      parts.push(part.subarray(0, count));
    }
  }
  return Buffer.concat(parts);
}
