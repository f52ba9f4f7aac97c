/** The images of the store, as operators forget them. */

import { DaemonError } from "../errors.ts";
import { listImages, removeImages, removeOwner } from "../inspect/mod.ts";
import { nameSome } from "../name_some.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { WorkspaceInfo } from "../workspace/mod.ts";

/** What forgetting came to. */
export interface RemovedImages {
  /** Urls of what was forgotten. */
  urls: string[];
  failures: { url: string; error: DaemonError }[];
}

/** Images in one page of those that are to be forgotten. */
const PAGE_SIZE = 1000;

/** Codes of failures that concern one image alone. */
const ABOUT_ONE: ReadonlySet<string> = new Set(["DATA_LOSS", "INVALID_ARGUMENT", "NOT_FOUND"]);

/** What forgetting uses. */
export interface ForgetOptions {
  store: ObjectStore;
  operations: OperationRegistry;
  /** Fires when nobody waits for it any more. */
  signal: AbortSignal;
}

/** Forgets images by their urls, as an operation; see {@link forgetEach}. */
export async function forgetImages(
  urls: readonly string[],
  { store, operations, signal }: ForgetOptions,
): Promise<RemovedImages> {
  const [url] = urls;
  const subject = url !== undefined && urls.length === 1 ? { url } : {};
  return await operations.run(
    { kind: "deletion", subject },
    (operation) => forgetEach(store, urls, { operation, signal }),
  );
}

/** Forgets all images of an identity, as an operation; see {@link forgetEach}. */
export async function forgetImagesOf(
  identity: { owner: string; metaId: string },
  { store, operations, signal }: ForgetOptions,
): Promise<RemovedImages> {
  return await operations.run({ kind: "deletion", subject: identity }, async (operation) => {
    const either = AbortSignal.any([signal, operation.signal]);
    const urls = await urlsOf(store, identity, either);
    return await forgetEach(store, urls, { operation, signal });
  });
}

/**
 * Forgets images one after the other; what cannot be forgotten is told, and stops no other.
 * @throws {DaemonError} what concerns the store, and not one image
 */
async function forgetEach(
  store: ObjectStore,
  urls: Iterable<string>,
  { operation, signal }: { operation: Operation; signal: AbortSignal },
): Promise<RemovedImages> {
  const either = AbortSignal.any([signal, operation.signal]);
  const removed: RemovedImages = { urls: [], failures: [] };
  operation.enter("forgetting images");
  for (const url of new Set(urls)) {
    either.throwIfAborted();
    try {
      const images = await removeImages(store, url, either);
      const gone = images.length > 0 ? images.map((image) => image.url) : [url];
      removed.urls.push(...gone);
      operation.progress.add({ files: gone.length });
    } catch (error) {
      if (!(error instanceof DaemonError) || !ABOUT_ONE.has(error.code)) throw error;
      removed.failures.push({ url, error });
    }
  }
  operation.setFigures({ images: removed.urls.length });
  return removed;
}

/** Returns the urls of all images of an identity, and the keys of its references that are unreadable. */
async function urlsOf(
  store: ObjectStore,
  filter: { owner: string; metaId: string },
  signal: AbortSignal,
): Promise<string[]> {
  const urls: string[] = [];
  let after = "";
  do {
    const page = await listImages(store, filter, { size: PAGE_SIZE, after }, signal);
    urls.push(...page.images.map(({ url }) => url), ...page.unreadable.map(({ key }) => key));
    after = page.last ?? "";
  } while (after !== "");
  return urls;
}

/**
 * Forgets everything of an owner, as an operation.
 * @throws {DaemonError} FAILED_PRECONDITION while this node has workspaces of the owner
 */
export async function forgetOwner(
  owner: string,
  { store, operations, workspaces, signal }: ForgetOptions & {
    workspaces: readonly WorkspaceInfo[];
  },
): Promise<{ images: number; logs: number }> {
  const own = workspaces.filter(({ identity }) => identity.owner === owner).map(({ id }) => id);
  if (own.length > 0) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot delete what the store has of ${owner}: workspaces of that owner are on this node, and ` +
        `their next backup would bring it back. Dispose of them first: ${nameSome(own)}`,
      { reason: "OWNER_HAS_WORKSPACES" },
    );
  }
  return await operations.run({ kind: "deletion", subject: { owner } }, async (operation) => {
    operation.enter("forgetting images and logs");
    const removed = await removeOwner(store, owner, {
      signal: AbortSignal.any([signal, operation.signal]),
      onRemoved: () => operation.progress.add({ files: 1 }),
    });
    operation.setFigures({ images: removed.images, logs: removed.logs });
    return removed;
  });
}
