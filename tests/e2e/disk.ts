/** A disk of a test's own, with a real file system; needs root, and a machine that lets root mount. */

import { statfsSync } from "node:fs";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";

const MIB = 1 << 20;

/** How each kind of file system is made, and how small it can be. */
const KINDS = {
  "ext4": { make: ["mkfs.ext4", "-q", "-F", "-m", "0"], minBytes: MIB },
  "ext4 with 1 KiB blocks": {
    make: ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024"],
    minBytes: MIB,
  },
  "xfs": { make: ["mkfs.xfs", "-q", "-f"], minBytes: 320 * MIB },
  "btrfs": { make: ["mkfs.btrfs", "-q", "-f"], minBytes: 160 * MIB },
  "btrfs with mixed block groups": {
    make: ["mkfs.btrfs", "-q", "-f", "--mixed"],
    minBytes: 64 * MIB,
  },
} as const;

export type DiskKind = keyof typeof KINDS;

export const DISK_KINDS = Object.keys(KINDS) as DiskKind[];

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

/**
 * A file system of a kind, all of which anybody may fill, at a new folder `at`.
 * @param bytes its size, as small as the kind can be unless given
 */
export function smallDisk(at: string, bytes?: number, kind: DiskKind = "ext4"): Disposable {
  using image = new DisposableStack();
  const path = `${at}.img`;
  image.defer(() => Deno.removeSync(path));
  Deno.createSync(path).close();
  const { make: [program, ...args], minBytes } = KINDS[kind];
  Deno.truncateSync(path, bytes ?? minBytes);
  run(program, ...args, path);
  Deno.mkdirSync(at);
  run("mount", "-o", "loop", path, at);
  const mounted = image.move();
  mounted.defer(() => run("umount", at));
  return mounted;
}

/** Fills the file system that a folder is on until not a byte can be appended to a file in it. */
export function fillDisk(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const bulk = Math.floor(bavail * bsize * 0.9);
  run("fallocate", "--length", String(bulk), join(folder, "bulk"));
  using rest = Deno.createSync(join(folder, "rest"));
  for (const size of [65536, 4096, 512]) {
    const part = new Uint8Array(size);
    try {
      while (rest.writeSync(part) > 0);
    } catch {
      // It is full.
    }
    // What was taken and finds no room when it is written out is no concern of ours.
    new Deno.Command("sync", { args: ["--file-system", folder], stderr: "null" }).outputSync();
  }
}

const can = new Map<DiskKind, boolean>();

/** Whether {@link smallDisk} works here; for `ignore`. */
export function canMountDisk(kind: DiskKind = "ext4"): boolean {
  if (!can.has(kind)) can.set(kind, Deno.uid() === 0 && tryMount(kind));
  return can.get(kind)!;
}

function tryMount(kind: DiskKind): boolean {
  using folder = testFolder();
  try {
    smallDisk(`${folder.path}/probe`, undefined, kind)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
