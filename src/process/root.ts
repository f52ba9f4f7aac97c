/**
 * Makes the folders of the root before any Worker starts.
 *
 * `workspaces`, and on the way to a tree in the making `tmp` and `staging`, can be passed through by
 * whoever owns content there (Git runs as that owner, and must find its own folder), but not listed;
 * names of staging trees cannot be guessed. Everything else is closed to other users of the node,
 * since it holds every tenant's content.
 */

import { basename, dirname, join } from "@std/path";
import { type Config, conflicts } from "../config/mod.ts";
import type { Areas } from "../content/mod.ts";
import { fileSystemOf, machineError, StartError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { describeKind, explainChange, lstat } from "./entry.ts";
import { lockPath } from "./lock.ts";
import { readFileSystems } from "../mounts.ts";
import { storeFolder } from "../store/mod.ts";
import { hasOurState } from "./own_root.ts";

/** Mode of the directories above a tree: searchable (x), not listable (r). */
export const SEARCHABLE_MODE = 0o711;
/** Mode of a root that the daemon makes. */
const ROOT_MODE = 0o711;
const CLOSED_MODE = 0o700;

/** Returns the absolute paths of the areas that the content Workers share with the daemon. */
export function areaPaths({ root, storage }: Config): Areas {
  const folder = storeFolder(storage);
  return {
    workspaces: join(root, "workspaces"),
    staging: join(root, "tmp", "staging"),
    trash: join(root, "tmp", "trash"),
    scratch: join(root, "tmp", "git"),
    spool: join(root, "tmp", "spool"),
    baselines: join(root, "state", "baselines"),
    bases: join(root, "bases"),
    cache: join(root, "cache"),
    ...(folder ? { blobs: folder.path } : {}),
  };
}

/**
 * Makes the root, whose parent must be there, and its `state`, and returns the config with the real
 * paths of root and store: the Workers' permissions are about names, which must not lead through links.
 * @throws {StartError} where it cannot be used
 */
export function prepareRoot(config: Config): Config {
  const { root, storage } = config;
  const folder = storeFolder(storage);
  if (!isFolder(dirname(root))) {
    throw new StartError(
      `Cannot use ${root} as the root: there is no folder ${
        dirname(root)
      }; make it or choose another root`,
    );
  }
  try {
    refuseSpecial(join(Deno.realPathSync(dirname(root)), basename(root)));
    makeFolder(root, ROOT_MODE);
    const real = Deno.realPathSync(root);
    refuseSpecial(real);
    requireFolder(join(real, "state"));
    refuseForeignRoot(real);
    makeArea(join(real, "state"), CLOSED_MODE);
    if (!folder) return { ...config, root: real };
    const isInRoot = folder.path === join(root, "store");
    const path = isInRoot ? join(real, "store") : leadsTo(folder.path);
    refuseSpecial(path);
    const prepared = { ...config, root: real, storage: { ...storage, [folder.key]: path } };
    // The paths in the config are apart, and their real paths may not be.
    const clash = conflicts(prepared).find(({ path: [section] }) => section === "storage");
    if (clash) throw new StartError(clash.problem);
    return prepared;
  } catch (error) {
    throw new StartError(`Cannot use ${root} as the root: ${explainChange(error, root)}`, {
      cause: error,
    });
  }
}

/**
 * Makes the areas and sets their modes; the caller holds the root's lock. What lies in `tmp` and is
 * not ours stays there and is logged; where it has the name of an area it is moved aside.
 * @throws {StartError} naming the path and what to do with it
 */
export function makeAreas(config: Config): Areas {
  const areas = areaPaths(config);
  const { root } = config;
  const tmp = join(root, "tmp");
  requireSameMount([areas.workspaces, tmp, areas.staging, areas.trash, areas.bases]);
  for (const path of [tmp, areas.staging, areas.trash, areas.spool, areas.scratch]) {
    moveForeignAside(path);
  }
  for (const path of [areas.baselines, areas.bases, areas.cache]) moveForeignAside(path);
  for (const path of [tmp, areas.staging, areas.workspaces, areas.scratch]) {
    makeArea(path, SEARCHABLE_MODE);
  }
  const { baselines, bases, cache, trash, spool } = areas;
  for (const path of [join(root, "state"), baselines, bases, cache, trash, spool]) {
    makeArea(path, CLOSED_MODE);
  }
  const { blobs } = areas;
  if (blobs !== undefined) {
    // A store outside the root may be shared with other daemons, and its mode is their affair too.
    if (dirname(blobs) === root) makeArea(blobs, CLOSED_MODE);
    else makeStore(blobs);
  }
  for (
    const name of [
      "state.db",
      "state.db-wal",
      "state.db-shm",
      "state.db-journal",
      "state.db.reserve",
    ]
  ) {
    requireWritableFile(join(root, "state", name));
  }
  reportForeign(tmp, areas);
  return areas;
}

/** Moves aside what has the name of one of our folders and is none: nothing is deleted or followed. */
function moveForeignAside(path: string): void {
  const info = lstat(path);
  if (!info || info.isDirectory) return;
  const aside = `${path}.displaced-${crypto.randomUUID()}`;
  const words = `${path} is ${describeKind(info)}, not a folder`;
  try {
    Deno.renameSync(path, aside);
  } catch (error) {
    throw new StartError(
      `Cannot use the folder ${path}: ${words}, and cannot be moved aside ` +
        `(${explainChange(error, path)}); or move it away`,
      { cause: error },
    );
  }
  logger("process").warn("{words}: it was moved to {aside}", { words, aside });
}

/** Checks that the folders are on one mount: trees are renamed between them. @throws {StartError} */
function requireSameMount(paths: readonly string[]): void {
  const all = readFileSystems();
  const [first, ...others] = paths.map((path) => ({
    path,
    mount: fileSystemOf(path, all)?.mountPoint ?? "/",
  }));
  const other = others.find(({ mount }) => mount !== first!.mount);
  if (!other) return;
  throw new StartError(
    `Cannot use the folders ${first!.path} and ${other.path}: they lie on different mounts ` +
      `(${first!.mount} and ${other.mount}), and trees cannot be moved from one to the other; ` +
      "unmount what is mounted below the root",
  );
}

/**
 * Checks that SQLite can use a file: it would follow a link, wait for a FIFO's other end, and say little
 * where it may not write.
 * @throws {StartError} naming the path
 */
function requireWritableFile(path: string): void {
  const info = lstat(path);
  if (!info) return;
  if (!info.isFile) {
    throw new StartError(
      `Cannot use the state in ${path}: it is ${describeKind(info)}, not a file; move it away`,
    );
  }
  try {
    Deno.openSync(path, { read: true, write: true }).close();
  } catch (error) {
    throw new StartError(
      `Cannot use the state in ${path}: ${explainChange(error, path)}`,
      { cause: error },
    );
  }
}

/** Maximum number of foreign entries that a message names. */
const MAX_NAMED = 20;

function reportForeign(tmp: string, areas: Areas): void {
  const own = new Set(Object.values(areas));
  const foreign = [...Deno.readDirSync(tmp)].map(({ name }) => join(tmp, name))
    .filter((path) => !own.has(path));
  for (const path of foreign.slice(0, MAX_NAMED)) {
    logger("process").warn("{path} is not wsdaemon's and stays; move it away", { path });
  }
}

/** Refuses folders that Deno opens only to code with every permission, which no Worker has. */
function refuseSpecial(path: string): void {
  const special = ["/dev", "/proc", "/sys"].find((folder) => `${path}/`.startsWith(`${folder}/`));
  if (special !== undefined) {
    throw new StartError(
      `${path} lies in ${special}, which is closed to wsdaemon's Workers; choose another`,
    );
  }
}

/**
 * Refuses a folder that others use: the modes of what is in it would change. A root of ours has had its
 * lock since before anything else was put there, and is known by its state where somebody has deleted
 * the lock.
 */
function refuseForeignRoot(root: string): void {
  if (root === "/") throw new StartError("it is the whole machine; choose a folder of its own");
  if (lstat(lockPath(root)) || hasOurState(root)) return;
  const taken = ["tmp", "state", "workspaces", "bases", "cache", "store"].find((name) => {
    const path = join(root, name);
    // A store outlives its node, and is put into a new root then.
    const isStore = name === "store" && isFolder(join(path, "refs"));
    return !isStore && isFolder(path) && !Deno.readDirSync(path)[Symbol.iterator]().next().done;
  });
  if (taken === undefined) return;
  throw new StartError(
    `it has a folder ${taken} that is not wsdaemon's; choose an empty folder, or, where this is a ` +
      `root of wsdaemon's that has lost its state, make an empty file ${lockPath(root)}`,
  );
}

/** Returns where a path leads through symbolic links; the path itself where nothing is there yet. */
function leadsTo(path: string): string {
  return isFolder(path) ? Deno.realPathSync(path) : path;
}

function makeArea(path: string, mode: number): void {
  requireFolder(path);
  try {
    if (!lstat(path)) Deno.mkdirSync(path, { mode });
    // Even a change to the same mode needs space on a file system that copies on write, and is refused
    // for an immutable folder.
    if ((Deno.lstatSync(path).mode! & 0o7777) !== mode) Deno.chmodSync(path, mode);
  } catch (error) {
    throw new StartError(
      `Cannot use the folder ${path}: ${explainChange(error, path)}`,
      { cause: error },
    );
  }
}

/** Checks that a folder is at the path. @throws {StartError} for anything else, also a link to one */
function requireFolder(path: string): void {
  const info = lstat(path);
  if (!info || info.isDirectory) return;
  throw new StartError(
    `Cannot use the folder ${path}: it is ${describeKind(info)}, not a folder; move it away`,
  );
}

function makeStore(path: string): void {
  try {
    makeFolder(path, CLOSED_MODE);
    Deno.removeSync(Deno.makeTempFileSync({ dir: path, prefix: ".probe-" }));
  } catch (error) {
    // A full disk is no reason not to start: space is freed through the API, by disposals.
    if (isFull(error)) return;
    throw new StartError(`Cannot use ${path} as the store: ${explainChange(error, path)}`, {
      cause: error,
    });
  }
}

function isFull(error: unknown): boolean {
  return machineError(error)?.code === "RESOURCE_EXHAUSTED";
}

function makeFolder(path: string, mode: number): void {
  if (isFolder(path)) return;
  if (lstat(path)) {
    throw new StartError("it is there and not a folder; choose another, or move it away");
  }
  Deno.mkdirSync(path, { mode });
}

function isFolder(path: string): boolean {
  return stat(path)?.isDirectory ?? false;
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new StartError(`Cannot look at ${path}: ${explainChange(error, path)}`, { cause: error });
  }
}
