/** The loop devices of this machine, as `/sys` shows them. */

import { basename, join } from "@std/path";

/** Bytes of the blocks in which the kernel counts. */
const SECTOR = 512;

/** A block device that shows a file. */
export interface LoopDevice {
  /** Such as `/dev/loop0`. */
  readonly path: string;
  /** The file that it shows. */
  readonly file: string;
  readonly bytes: number;
}

/** Returns the loop device at that path; `undefined` where it is none, or shows no file. */
export function loopDevice(path: string): LoopDevice | undefined {
  const folder = join("/sys/block", basename(path));
  try {
    const file = Deno.readTextFileSync(join(folder, "loop", "backing_file")).trimEnd();
    const sectors = Number(Deno.readTextFileSync(join(folder, "size")));
    return { path, file, bytes: sectors * SECTOR };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
