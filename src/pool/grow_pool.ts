/** Makes a pool larger while it is mounted and used: its file, the loop device, then the file system. */

import { dirname } from "@std/path";
import { formatSize } from "../config/mod.ts";
import { DaemonError } from "../errors.ts";
import type { Plan, Step } from "./plan.ts";
import { mountCommand, mountedPool } from "./pool_mount.ts";
import { checkSize, spaceWarnings } from "./pool_size.ts";
import { requirePool } from "./pool_status.ts";
import { requireProgram, runProgram } from "./programs.ts";
import type { PoolPlace } from "./units.ts";

/**
 * Returns what is to be done for a pool to have `size` bytes: nothing where it has, the rest where an
 * earlier run was cut short.
 * @throws {DaemonError} FAILED_PRECONDITION where it is larger, or is not mounted
 */
export async function planGrowth(place: PoolPlace, size: number): Promise<Plan> {
  checkSize(size);
  const { root, file } = place;
  const { fileBytes, superblock } = await requirePool(place);
  if (size < fileBytes) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The pool ${file} has ${formatSize(fileBytes)} already, and does not get smaller`,
    );
  }
  const device = mountedPool(place);
  if (!device) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The pool ${file} is not mounted at ${root}, and grows only while it is: ${
        mountCommand(place)
      }`,
    );
  }
  await requireProgram("losetup");
  await requireProgram("btrfs");
  const to = `to ${formatSize(size)}`;
  const grow = (object: string, present: number, act: () => Promise<void>): Step[] =>
    present < size ? [{ verb: ["grow", "grew"], object: `${object} ${to}`, act }] : [];
  const steps = [
    ...grow(file, fileBytes, () => enlarge(file, size)),
    ...grow(device.path, device.bytes, () => runProgram("losetup", "--set-capacity", device.path)),
    ...grow(
      `the file system at ${root}`,
      superblock.totalBytes,
      () => runProgram("btrfs", "filesystem", "resize", "max", root),
    ),
  ];
  return { steps, warnings: await spaceWarnings(dirname(file), size - fileBytes) };
}

/** Enlarges a file, unless it has become larger since the plan was made: what is cut off would be lost. */
async function enlarge(path: string, size: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  // Whoever enlarges it at once waits here.
  await file.lock(true);
  if ((await file.stat()).size < size) await file.truncate(size);
}
