/** Describes a pool: the image, what it takes, where it is mounted, and its units. */

import { dirname } from "@std/path";
import { type DiskSpace, readDiskSpace } from "../disk_space.ts";
import { DaemonError } from "../errors.ts";
import type { LoopDevice } from "./loop_device.ts";
import { mountedPool } from "./pool_mount.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";
import { type PoolPlace, unitFiles, unitState } from "./units.ts";

/** Bytes of the blocks in which `stat` counts. */
const STAT_BLOCK = 512;

/** A pool that is there. */
export interface Pool {
  /** Size of the image, holes included. */
  readonly fileBytes: number;
  /** What the image takes on its disk. */
  readonly takenBytes: number;
  readonly superblock: Superblock;
}

/** A pool, and how it is used. */
export interface PoolStatus extends Pool {
  readonly place: PoolPlace;
  /** The disk that the image is on. */
  readonly disk: DiskSpace;
  /** Absent where it is not mounted. */
  readonly mounted?: { readonly device: LoopDevice; readonly space: DiskSpace };
  /** Paths of units that are missing, or are not what they should be. */
  readonly units: readonly string[];
}

/**
 * Returns what is known of a pool without mounting it.
 * @throws {DaemonError} NOT_FOUND where there is no image, FAILED_PRECONDITION where it has no btrfs
 */
export async function requirePool({ root, file }: PoolPlace): Promise<Pool> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DaemonError(
      "NOT_FOUND",
      `There is no pool ${file} for ${root}: wsdaemon pool create makes one, --file names another`,
    );
  }
  const superblock = info.isFile ? await readSuperblock(file) : undefined;
  if (!superblock) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${file} is no pool, as no btrfs is in it: name the image by --file`,
    );
  }
  return { fileBytes: info.size, takenBytes: (info.blocks ?? 0) * STAT_BLOCK, superblock };
}

/**
 * Describes a pool.
 * @throws {DaemonError} NOT_FOUND where there is no image, FAILED_PRECONDITION where it has no btrfs or
 *   something else is mounted at the root
 */
export async function poolStatus(place: PoolPlace): Promise<PoolStatus> {
  const pool = await requirePool(place);
  const device = mountedPool(place);
  const units = unitFiles(place).filter((unit) => unitState(unit) !== "current");
  return {
    ...pool,
    place,
    disk: await readDiskSpace(dirname(place.file)),
    ...device ? { mounted: { device, space: await readDiskSpace(place.root) } } : {},
    units: units.map(({ path }) => path),
  };
}
