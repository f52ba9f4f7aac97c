/** Workspaces as operators see them. */

import type { Content } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { findImage } from "../inspect/mod.ts";
import type { OperationRegistry } from "../operations/mod.ts";
import { newestSnapshot, type WorkspaceIdentity } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { WorkspaceInfo } from "../workspace/mod.ts";

/** The newest image of an identity. */
export interface LastImage {
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
  lastImage?: LastImage;
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

/** Milliseconds that the store may take; the rest of a view is worth having without it. */
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
  const running = operations.all().filter(({ state, parent }) => state === "running" && !parent);
  const storeSignal = AbortSignal.any([signal, AbortSignal.timeout(STORE_TIME)]);
  return await Promise.all(infos.map(async (info): Promise<WorkspaceView> => {
    const [image, usedBytes] = await Promise.all([
      lastImageOf(store, info.identity, storeSignal),
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
  }));
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

async function lastImageOf(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal: AbortSignal,
): Promise<Pick<WorkspaceView, "lastImage" | "lastImageProblem">> {
  if (store.kind === "none") return {};
  try {
    const newest = await newestImage(store, identity, signal);
    return newest ? { lastImage: newest } : {};
  } catch (error) {
    if (signal.reason instanceof DOMException && signal.reason.name === "TimeoutError") {
      return { lastImageProblem: `the store has not answered within ${STORE_TIME / 1000} s` };
    }
    return { lastImageProblem: messageOf(error) };
  }
}

/** Returns the newest backup or snapshot of an identity. @throws {DaemonError} what the store does */
export async function newestImage(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal: AbortSignal,
): Promise<LastImage | undefined> {
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
  { owner, metaId }: WorkspaceIdentity,
  signal: AbortSignal,
): Promise<LastImage | undefined> {
  try {
    const { url, createdAt } = await findImage(store, `wsdaemon:backup/${owner}/${metaId}`, signal);
    return { url, createdAt };
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}
