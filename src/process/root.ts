/**
 * The folders of the root, made before any Worker starts.
 *
 * `workspaces`, and on the way to a tree in the making `tmp` and `staging`, can be passed through by
 * whoever owns content there (Git runs as that owner, and must find its own folder), but not listed;
 * names of staging trees cannot be guessed. Everything else is closed to other users of the node,
 * since it holds every tenant's content.
 */

import { basename, dirname, join } from "@std/path";
import { conflicts } from "../config/resolve_config.ts";
import type { Config } from "../config/schema.ts";
import type { Areas } from "../content/worker_start.ts";
import { reasonOf } from "../errors.ts";
import { lockPath } from "./lock.ts";
import { StartError } from "./start_error.ts";

/** Of what leads to trees: an owner reaches its own by name, and sees no other's. */
export const SEARCHABLE_MODE = 0o711;
/** Of a root that is not there yet. */
const ROOT_MODE = 0o711;
const CLOSED_MODE = 0o700;

/** Absolute paths of the areas that the content Workers share with the daemon. */
export function areaPaths({ root, storage }: Config): Areas {
  return {
    workspaces: join(root, "workspaces"),
    staging: join(root, "tmp", "staging"),
    trash: join(root, "tmp", "trash"),
    spool: join(root, "tmp", "spool"),
    baselines: join(root, "state", "baselines"),
    ...(storage.kind === "fs" ? { blobs: storage.path } : {}),
  };
}

/**
 * Makes the root, whose parent must be there, and its `state`, and returns the config with the real
 * paths of root and store: the Workers' permissions are about names, which must not lead through links.
 * @throws {StartError} where it cannot be used
 */
export function prepareRoot(config: Config): Config {
  const { root, storage } = config;
  const inside = storage.kind === "fs" && storage.path === join(root, "store");
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
    refuseForeignRoot(real);
    makeFolder(join(real, "state"), CLOSED_MODE);
    if (storage.kind !== "fs") return { ...config, root: real };
    const path = inside ? join(real, "store") : leadsTo(storage.path);
    refuseSpecial(path);
    const prepared = { ...config, root: real, storage: { ...storage, path } };
    // By their names they were apart.
    const clash = conflicts(prepared).find(({ path: [section] }) => section === "storage");
    if (clash) throw new StartError(clash.problem);
    return prepared;
  } catch (error) {
    throw new StartError(`Cannot use ${root} as the root: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Makes the areas and sets their modes; the caller holds the root's lock.
 * @throws {StartError} naming the folder
 */
export function makeAreas(config: Config): Areas {
  const areas = areaPaths(config);
  const { blobs, workspaces, staging, ...closed } = areas;
  for (const path of [join(config.root, "tmp"), staging, workspaces]) {
    makeRoom(path, SEARCHABLE_MODE);
  }
  for (const path of [join(config.root, "state"), ...Object.values(closed)]) {
    makeRoom(path, CLOSED_MODE);
  }
  if (blobs !== undefined) {
    // A store outside the root may be shared with other daemons, and its mode is their affair too.
    if (dirname(blobs) === config.root) makeRoom(blobs, CLOSED_MODE);
    else makeStore(blobs);
  }
  return areas;
}

/** Deno lets only what may do everything into these, and so no Worker of ours. */
function refuseSpecial(path: string): void {
  const special = ["/dev", "/proc", "/sys"].find((folder) => `${path}/`.startsWith(`${folder}/`));
  if (special !== undefined) {
    throw new StartError(
      `${path} lies in ${special}, which is closed to wsdaemon's Workers; choose another`,
    );
  }
}

/**
 * A folder that others use must not become a root: the modes of what is in it would change. Ours has
 * had its lock since before anything else was put there.
 */
function refuseForeignRoot(root: string): void {
  if (root === "/") throw new StartError("it is the whole machine; choose a folder of its own");
  if (isFile(lockPath(root))) return;
  const taken = ["tmp", "state", "workspaces", "store"].find((name) => {
    const path = join(root, name);
    // A store outlives its node, and is put into a new root then.
    const isStore = name === "store" && isFolder(join(path, "refs"));
    return !isStore && isFolder(path) && !Deno.readDirSync(path)[Symbol.iterator]().next().done;
  });
  if (taken === undefined) return;
  throw new StartError(`it has a folder ${taken} that is not wsdaemon's; choose an empty folder`);
}

/** Where a path leads; itself where nothing is there yet. */
function leadsTo(path: string): string {
  return isFolder(path) ? Deno.realPathSync(path) : path;
}

function makeRoom(path: string, mode: number): void {
  try {
    makeFolder(path, mode);
    const found = Deno.lstatSync(path);
    if (found.isSymlink) throw new StartError("it is a link, not a folder");
    // Even a change to the same mode needs area on a file system that copies on write.
    if ((found.mode! & 0o7777) !== mode) Deno.chmodSync(path, mode);
  } catch (error) {
    throw new StartError(`Cannot use the folder ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function makeStore(path: string): void {
  try {
    makeFolder(path, CLOSED_MODE);
    Deno.removeSync(Deno.makeTempFileSync({ dir: path, prefix: ".probe-" }));
  } catch (error) {
    // A full disk is no reason not to start: area is made through the API.
    if (isFull(error)) return;
    throw new StartError(`Cannot use ${path} as the store: ${reasonOf(error)}`, { cause: error });
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function makeFolder(path: string, mode: number): void {
  if (!isFolder(path)) Deno.mkdirSync(path, { mode });
}

function isFolder(path: string): boolean {
  return stat(path)?.isDirectory ?? false;
}

function isFile(path: string): boolean {
  return stat(path)?.isFile ?? false;
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new StartError(`Cannot look at ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
