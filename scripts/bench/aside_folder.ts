/** Restored trees that nobody needs any more. */

import { join } from "@std/path";
import { readDiskSpace } from "../../src/disk_space.ts";

/**
 * Takes restored trees out of the way. They are deleted when all is measured, or once space runs out:
 * ext4 makes inodes slowly for minutes after many were deleted, passing over each of them.
 */
export class AsideFolder {
  readonly #path: string;
  /** Bytes that what is still to be measured may take. */
  needed = 0;

  /** @param folder on the file system of the trees */
  constructor(folder: string) {
    this.#path = join(folder, "aside");
  }

  /** Takes a tree, and makes space where too little is left. */
  async take(path: string): Promise<void> {
    await Deno.mkdir(this.#path, { recursive: true });
    await Deno.rename(path, join(this.#path, crypto.randomUUID()));
    if ((await readDiskSpace(this.#path)).free >= this.needed) return;
    await Deno.remove(this.#path, { recursive: true });
  }
}
