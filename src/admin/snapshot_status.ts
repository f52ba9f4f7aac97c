/** Tells what became of a snapshot. */

import { DaemonError, invalid } from "../errors.ts";
import { findImage, type FoundImage } from "../inspect/mod.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import { parseSnapshotName } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

/** A snapshot that was asked for, promised or stored. */
export interface SnapshotStatus {
  url: string;
  state: "pending" | "stored" | "given up";
  /** Whether its url was answered before it was stored. */
  isPromised: boolean;
  /** What stores it, or did, where that is remembered. */
  operation?: Operation;
  /** Present where it is stored. */
  image?: FoundImage;
}

/** What a status is made from. */
export interface SnapshotSources {
  store: ObjectStore;
  operations: OperationRegistry;
  /** Returns whether a snapshot was promised and is not stored yet. */
  isPending(url: string): boolean;
}

/**
 * Returns what became of a snapshot.
 * @throws {DaemonError} INVALID_ARGUMENT for no snapshot's url, NOT_FOUND where nobody knows of it
 */
export async function snapshotStatus(
  url: string,
  { store, operations, isPending }: SnapshotSources,
  signal: AbortSignal,
): Promise<SnapshotStatus> {
  if (parseSnapshotName(url, "url").kind !== "image") {
    throw invalid("url", "must be one that TakeSnapshot answered");
  }
  const operation = operations.all().findLast((one) =>
    one.kind === "snapshot" && one.subject.url === url
  );
  const known = { url, ...(operation ? { operation } : {}) };
  if (isPending(url)) return { ...known, state: "pending", isPromised: true };
  const isPromised = operation?.maxAttempts === Infinity;
  if (operation?.state === "running") return { ...known, state: "pending", isPromised };
  try {
    const image = await findImage(store, url, signal);
    return { ...known, state: "stored", isPromised, image };
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "NOT_FOUND") throw error;
    // One that was stored and is not there any more was deleted.
    if (!operation || operation.state === "succeeded") {
      throw new DaemonError("NOT_FOUND", `Nobody here knows of a snapshot ${url}`, {
        cause: error,
        reason: "SNAPSHOT_NOT_FOUND",
        resource: { type: "snapshot", name: url },
      });
    }
    return { ...known, state: "given up", isPromised };
  }
}
