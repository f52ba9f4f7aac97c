/** Workspaces as operators see them. */

import { mapConcurrent } from "../async/mod.ts";
import type { Content } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { findImage } from "../inspect/mod.ts";
import type { OperationRegistry } from "../operations/mod.ts";
import {
  backupUrl,
  newestSnapshot,
  STORE_CONCURRENCY,
  type WorkspaceIdentity,
} from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { WorkspaceInfo } from "../workspace/mod.ts";

/** The newest image of an identity. */
export interface NewestImage {
  url: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** A workspace, with what takes time to find out. */
export interface WorkspaceView {
  info: WorkspaceInfo;
  /** Bytes on disk; absent where nobody counts them. */
  usedBytes?: number;
  /** Absent where its owner and meta_id have none, or it cannot be told. */
  lastImage?: NewestImage;
  /** Why it cannot be told whether there is an image. */
  lastImageProblem?: string;
  /** Ids of the operations that run on it. */
  operations: string[];
}

/** What a view is made from. */
export interface ViewSources {
  content: Content;
  store: ObjectStore;
  operations: OperationRegistry;
}

/** Milliseconds that the store may take for one workspace; the rest of a view is worth having without it. */
const STORE_TIME = 5_000;

/**
 * Returns the views of some workspaces, in their order.
 * @param measure whether to look at every file where the file system does not count what a tree takes
 */
export async function viewsOf(
  infos: readonly WorkspaceInfo[],
  { content, store, operations }: ViewSources,
  { measure = false, signal }: { measure?: boolean; signal: AbortSignal },
): Promise<WorkspaceView[]> {
  const usages = await content.usages();
  const running = operations.running();
  const images = new NewestImages(store, signal);
  const viewOf = async (info: WorkspaceInfo): Promise<WorkspaceView> => {
    const [image, usedBytes] = await Promise.all([
      images.of(info.identity),
      usages.get(info.id)?.bytes ?? (measure ? measured(content, info) : undefined),
    ]);
    signal.throwIfAborted();
    return {
      info,
      ...(usedBytes === undefined ? {} : { usedBytes }),
      ...image,
      operations: running.filter(({ subject }) => subject.workspace === info.id).map(({ id }) =>
        id
      ),
    };
  };
  return await Array.fromAsync(mapConcurrent(infos, STORE_CONCURRENCY, viewOf));
}

/** Counts what a tree takes; `undefined` where it is not there yet, or no more. */
async function measured(content: Content, { tree }: WorkspaceInfo): Promise<number | undefined> {
  try {
    return (await content.usage(tree)).bytes;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** Asks the store for the newest images of some workspaces, until it leaves a question unanswered. */
class NewestImages {
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal;
  #isSilent = false;

  constructor(store: ObjectStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  async of(
    identity: WorkspaceIdentity,
  ): Promise<Pick<WorkspaceView, "lastImage" | "lastImageProblem">> {
    if (this.#store.kind === "none") return {};
    // Else each of many workspaces would wait as long.
    if (this.#isSilent) return SILENT;
    const limit = AbortSignal.timeout(STORE_TIME);
    try {
      const signal = AbortSignal.any([this.#signal, limit]);
      const newest = await newestImage(this.#store, identity, signal);
      return newest ? { lastImage: newest } : {};
    } catch (error) {
      if (!limit.aborted) return { lastImageProblem: messageOf(error) };
      this.#isSilent = true;
      return SILENT;
    }
  }
}

const SILENT = { lastImageProblem: `the store has not answered within ${STORE_TIME / 1000} s` };

/** Returns the newest backup or snapshot of an identity. @throws {DaemonError} what the store does */
export async function newestImage(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal: AbortSignal,
): Promise<NewestImage | undefined> {
  const images = await Promise.all([
    lastBackup(store, identity, signal),
    newestSnapshot(store, identity, signal),
  ]);
  const [newest] = images
    .filter((image) => image !== undefined)
    .sort((a, b) => b.createdAt - a.createdAt);
  return newest;
}

async function lastBackup(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal: AbortSignal,
): Promise<NewestImage | undefined> {
  try {
    const { url, createdAt } = await findImage(store, backupUrl(identity), signal);
    return { url, createdAt };
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}
