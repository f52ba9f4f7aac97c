/**
 * Implements the methods of `Content` that need one request to a Worker, or one after the other.
 */

import { DaemonError } from "../errors.ts";
import type { Content, OperationOptions } from "./content.ts";
import type { Tree } from "./tree.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { newTreeName } from "./tree_names.ts";
import { UntouchedClones } from "./untouched_clones.ts";
import type { VolumeKind } from "./volume/volume.ts";

/** The methods of {@link Content} that are not a pack, a restore or an extraction. */
export type TreeOperations = Omit<
  Content,
  "workers" | "bases" | "folders" | "pack" | "restore" | "extract" | "baselineLayers" | "verifyBlob"
>;

/** Returns those methods, sending their requests through `workers`. */
export function connectTrees(
  workers: Dispatcher,
  clones: UntouchedClones = new UntouchedClones(),
): TreeOperations {
  let volume: VolumeKind = "plain";
  return {
    async chooseVolume(driver) {
      const choice = await workers.quick("probeVolume", { driver });
      volume = choice.kind;
      if (choice.quota !== "none") await workers.quick("sweepLimits", {});
      return choice;
    },
    limit: (tree, bytes) =>
      workers.quick("limitTree", { tree, ...(bytes === undefined ? {} : { bytes }) }),
    peerCredentials: (fd) => workers.quick("peerCredentials", { fd }),
    processUsage: () => workers.quick("processUsage", {}),
    usages: () => workers.quick("treeUsages", {}),
    async create(owner, workspace, { isPlain = false } = {}) {
      const tree: Tree = { area: "staging", name: newTreeName(workspace) };
      try {
        const kind = isPlain ? "plain" : volume;
        await workers.quick("create", { name: tree.name, owner, volume: kind });
      } catch (error) {
        await removeAfter(error, workers, tree);
      }
      return tree;
    },
    publish: (tree, id) => workers.quick("publish", { tree, id, isDurable: clones.take(tree) }),
    remove: (tree, options) => remove(workers, tree, options),
    deleteTrash: (group, options) => deleteTrash(workers, group, options),
    leftovers: () => workers.run("leftovers", {}),
    async discardLeftovers({ scratch, spool, tokens }, options) {
      const request = { scratch, spool, tokens };
      const { group, failures } = await workers.run("discardLeftovers", request, options);
      await deleteTrash(workers, group, options);
      return failures;
    },
    clear: (tree) => workers.run("clear", { tree }),
    exists: (tree) => workers.quick("exists", { tree }),
    published: () => workers.quick("published", {}),
    commitBaseline: (token, name) =>
      workers.quick("commitBaseline", { token, name, isClone: clones.takeBaseline(token) }),
    dropBaseline(name) {
      clones.takeBaseline(name);
      return workers.quick("dropBaseline", { name });
    },
    makeDirectory: (tree, path, owner) => workers.quick("makeDirectory", { tree, path, owner }),
    chownDirectory: (tree, path, owner) => workers.quick("chownDirectory", { tree, path, owner }),
    place: (tree, path, file, owner, mode) =>
      workers.run("place", { tree, path, file: { area: file.area, path: file.path }, owner, mode }),
    isUnchanged: (tree, state, { signal } = {}) =>
      workers.run("isUnchanged", { tree, state }, { signal }),
    placeReadyFile: (tree, text, owner) => workers.quick("placeReadyFile", { tree, text, owner }),
    removeReadyFile: (tree) => workers.quick("removeReadyFile", { tree }),
    list: (tree, path) => workers.quick("list", { tree, path }),
    copyOut: (tree, path, maxBytes) => workers.run("copyOut", { tree, path, maxBytes }),
    discard: ({ path }) => workers.quick("discardSpool", { names: [path] }),
    async openDirectory(tree, path) {
      const { fd, owner } = await workers.quick("openDirectory", { tree, path });
      let closed: Promise<void> | undefined;
      return {
        // `self`, not our process id: a child that has become another user may still enter it.
        path: `/proc/self/fd/${fd}`,
        owner,
        close: () => closed ??= workers.quick("closeDirectory", { fd }),
      };
    },
    inspectPaths: (tree, folder, paths) =>
      inBatches(paths, (some) => workers.quick("inspectPaths", { tree, folder, paths: some })),
    movePaths(from, to, moves, owner) {
      // From one subvolume to another everything is copied, which takes its time.
      const mode = volume === "btrfs" ? "run" : "quick";
      return inBatches(
        moves,
        (some) => workers[mode]("movePaths", { from, to, moves: some, owner }),
      );
    },
    hashFile: (tree, folder, path, { signal } = {}) =>
      workers.run("hashFile", { tree, folder, path }, { signal }),
    readLink: (tree, path) => workers.quick("readLink", { tree, path }),
    usage: (tree) => workers.run("usage", { tree }),
  };
}

/**
 * Removes a tree that a failed request may have made all the same: an error that nothing caught fails a
 * request whatever it has done by then.
 * @throws the failure, with that of the removal if there was one
 */
async function removeAfter(failure: unknown, workers: Dispatcher, tree: Tree): Promise<never> {
  try {
    await remove(workers, tree);
  } catch (error) {
    throw new SuppressedError(error, failure, "What was made could not be removed");
  }
  throw failure;
}

async function remove(workers: Dispatcher, tree: Tree, options?: OperationOptions): Promise<void> {
  let group: string;
  try {
    group = await workers.quick("trash", { tree });
  } catch (error) {
    if (!isExhausted(error)) throw error;
    group = await workers.run("deleteInPlace", { tree });
  }
  await deleteTrash(workers, group, options);
  if (tree.folder?.removal === "empty" || tree.folder?.removal === "emptyAndRemove") {
    const { signal } = options ?? {};
    const request = { tree, budgetMs: DELETION_SLICE };
    while (!await workers.run("emptyFolder", request, { signal }));
  }
}

function isExhausted(error: unknown): boolean {
  return error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED";
}

/** Milliseconds that a Worker deletes before the queue's next request runs. */
const DELETION_SLICE = 500;

async function deleteTrash(
  workers: Dispatcher,
  group: string,
  { signal }: OperationOptions = {},
): Promise<void> {
  const request = { group, budgetMs: DELETION_SLICE };
  while (!await workers.run("deleteTrash", request, { signal }));
  await workers.quick("sweepLimits", {});
}

/** Entries in one quick request: milliseconds of work. */
const BATCH_SIZE = 500;

/**
 * Calls `work` with one batch of items after the other.
 * @returns its results in the items' order
 */
async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (some: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let n = 0; n < items.length; n += BATCH_SIZE) {
    results.push(...await work(items.slice(n, n + BATCH_SIZE)));
  }
  return results;
}
