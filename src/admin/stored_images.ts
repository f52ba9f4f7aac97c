/** The images of the store, as operators forget them. */

import { DaemonError } from "../errors.ts";
import { listImages, removeImages, removeOwner } from "../inspect/mod.ts";
import type { OperationRegistry } from "../operations/mod.ts";
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

/** Workspaces that a refusal names. */
const MAX_NAMED = 10;

/** Codes of failures that concern one image alone. */
const ABOUT_ONE: ReadonlySet<string> = new Set(["DATA_LOSS", "INVALID_ARGUMENT", "NOT_FOUND"]);

/**
 * Forgets images one after the other; what cannot be forgotten is told, and stops no other.
 * @throws {DaemonError} what concerns the store, and not one image
 */
export async function forgetImages(
  store: ObjectStore,
  urls: Iterable<string>,
  signal: AbortSignal,
): Promise<RemovedImages> {
  const removed: RemovedImages = { urls: [], failures: [] };
  for (const url of new Set(urls)) {
    try {
      const images = await removeImages(store, url, signal);
      removed.urls.push(...images.length > 0 ? images.map((image) => image.url) : [url]);
    } catch (error) {
      if (!(error instanceof DaemonError) || !ABOUT_ONE.has(error.code)) throw error;
      removed.failures.push({ url, error });
    }
  }
  return removed;
}

/** Returns the urls of all images of an identity, and the keys of its references that are unreadable. */
export async function urlsOf(
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
  { store, operations, workspaces, signal }: {
    store: ObjectStore;
    operations: OperationRegistry;
    workspaces: readonly WorkspaceInfo[];
    signal: AbortSignal;
  },
): Promise<{ images: number; logs: number }> {
  const own = workspaces.filter(({ identity }) => identity.owner === owner).map(({ id }) => id);
  if (own.length > 0) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot delete what the store has of ${owner}: workspaces of that owner are on this node, and ` +
        "their next backup would bring it back. Dispose of them first: " +
        own.slice(0, MAX_NAMED).join(", ") +
        (own.length > MAX_NAMED ? ` and ${own.length - MAX_NAMED} more` : ""),
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
