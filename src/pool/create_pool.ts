/**
 * Makes a pool: a btrfs in a sparse file, and the units by which systemd mounts it at the daemon's root.
 * Nothing that is there is changed but units that an earlier run has written.
 */

import { basename, dirname, join } from "@std/path";
import { formatSize } from "../config/mod.ts";
import { DaemonError, fileSystemOf } from "../errors.ts";
import { readFileSystems } from "../mounts.ts";
import type { Plan, Step } from "./plan.ts";
import { mountedPool } from "./pool_mount.ts";
import { checkSize, spaceWarnings } from "./pool_size.ts";
import { requireProgram, runProgram } from "./programs.ts";
import { readSuperblock } from "./superblock.ts";
import { type PoolPlace, type UnitFile, unitFiles, unitState, writeUnit } from "./units.ts";

/** The label of every pool. */
const LABEL = "wsdaemon";

/**
 * Returns what is to be done for a pool of `size` bytes to be there, with its units.
 * @throws {DaemonError} ALREADY_EXISTS or FAILED_PRECONDITION where that would destroy or hide something
 */
export async function planCreation(place: PoolPlace, size: number): Promise<Plan> {
  checkSize(size);
  const units = unitSteps(unitFiles(place));
  if (await isPool(place, size)) return { steps: units, warnings: [] };
  checkRoot(place);
  checkFolder(place);
  await requireProgram("mkfs.btrfs");
  const { file } = place;
  const image: Step = {
    verb: ["make", "made"],
    object: `${file}, a btrfs of ${formatSize(size)} that takes room on the disk as it fills`,
    act: () => makeImage(file, size),
  };
  return { steps: [image, ...units], warnings: await spaceWarnings(dirname(file), size) };
}

/** Returns whether the pool is there with this size. @throws {DaemonError} where something else is */
async function isPool(place: PoolPlace, size: number): Promise<boolean> {
  const { file } = place;
  const info = await stat(file);
  if (!info) return false;
  const superblock = info.isFile ? await readSuperblock(file) : undefined;
  if (superblock?.label !== LABEL) {
    const what = superblock ? "a btrfs of somebody else's" : "no pool";
    throw new DaemonError(
      "ALREADY_EXISTS",
      `${file} is there already and is ${what}: it stays as it is; name another file by --file, ` +
        "or move it away",
    );
  }
  if (info.size !== size) {
    throw new DaemonError(
      "ALREADY_EXISTS",
      `${file} is a pool of ${formatSize(info.size)} already, not of ${formatSize(size)}: ` +
        (info.size < size ? "wsdaemon pool grow makes it larger" : "a pool does not get smaller"),
    );
  }
  if (!mountedPool(place)) checkHidden(place);
  return true;
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Checks that the root is a place to mount something at. @throws {DaemonError} */
function checkRoot(place: PoolPlace): void {
  const { root } = place;
  const all = readFileSystems();
  const above = fileSystemOf(root, all);
  if (above?.type === "btrfs") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${root} is on a btrfs already (at ${above.mountPoint}): it needs no pool`,
    );
  }
  if (all.some(({ mountPoint }) => mountPoint === root)) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${root} has ${above!.type} mounted: unmount it, or use another root for the pool`,
    );
  }
  checkHidden(place);
}

/** Checks that nothing is in the folder that the pool will hide. @throws {DaemonError} */
function checkHidden({ root }: PoolPlace): void {
  const entries = namesIn(root);
  if (entries.length === 0) return;
  const workspaces = namesIn(join(root, "workspaces")).length;
  const what = [
    ...workspaces > 0 ? [`${workspaces} workspace${workspaces === 1 ? "" : "s"}`] : [],
    ...entries.includes("store") ? ["an object store"] : [],
  ].join(" and ") || entries.slice(0, 3).join(", ");
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${root} is not empty: it holds ${what}, which a pool mounted there would hide. Stop wsdaemon, ` +
      `move the folder away, make the pool, and copy into it what is to stay ` +
      "(docs/operations.md, A pool)",
  );
}

function namesIn(folder: string): string[] {
  try {
    const info = Deno.lstatSync(folder);
    if (!info.isDirectory) {
      throw new DaemonError("FAILED_PRECONDITION", `${folder} is no folder: choose another root`);
    }
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Checks the folder that the image is to be in. @throws {DaemonError} */
function checkFolder({ root, file }: PoolPlace): void {
  if (`${file}/`.startsWith(`${root}/`)) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `Cannot put the image ${file} below ${root}, where it is mounted: name another by --file`,
    );
  }
  const folder = dirname(file);
  let found: string;
  try {
    found = Deno.realPathSync(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DaemonError("FAILED_PRECONDITION", `There is no folder ${folder}: make it first`);
  }
  const { type, mountPoint } = fileSystemOf(found, readFileSystems()) ??
    { type: "", mountPoint: "" };
  if (["tmpfs", "ramfs"].includes(type)) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${folder} is in memory (${type} at ${mountPoint}), gone with the next boot: name a file on a ` +
        "disk by --file",
    );
  }
}

/** Makes an image under a name of its own first, so that under its name there is nothing half-made. */
async function makeImage(file: string, size: number): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.wsdaemon-new`);
  using image = await openTemporary(temporary);
  try {
    if (await stat(file)) throw madeMeanwhile(file);
    await image.truncate(0);
    await image.truncate(size);
    await runProgram("mkfs.btrfs", "--quiet", "--label", LABEL, temporary);
    await image.sync();
    // A link, unlike a rename, replaces nothing.
    await Deno.link(temporary, file);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw madeMeanwhile(file);
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
  using folder = await Deno.open(dirname(file));
  await folder.sync();
}

/**
 * Opens the file that an image is made in, which has this name alone. Whoever makes the same at once waits
 * here, and then finds that it is there.
 */
async function openTemporary(path: string): Promise<Deno.FsFile> {
  for (;;) {
    const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    await file.lock(true);
    const { ino, nlink } = await file.stat();
    const there = await stat(path);
    const isThere = there?.ino === ino;
    if (isThere && nlink === 1) return file;
    file.close();
    // A run that was killed has made a pool of it already, which may have been moved since.
    if (isThere || there?.isSymlink) await Deno.remove(path);
  }
}

function madeMeanwhile(file: string): DaemonError {
  return new DaemonError("ALREADY_EXISTS", `${file} was made by somebody else meanwhile`);
}

function unitSteps(files: readonly UnitFile[]): Step[] {
  return files.flatMap((unit) => {
    const state = unitState(unit);
    if (state === "current") return [];
    if (state === "foreign") {
      throw new DaemonError(
        "ALREADY_EXISTS",
        `${unit.path} is there already and was written by somebody else: move it away`,
      );
    }
    return [{ verb: ["write", "wrote"], object: unit.path, act: () => writeUnit(unit) }];
  });
}
