/** The snapshot and backup initializers. */

import { DaemonError, invalid } from "../errors.ts";
import { parseSnapshotName } from "../snapshot/mod.ts";
import type { BackupSpec, InitializerContext, SnapshotSpec } from "./initializer.ts";
import { parseCheckoutLocation } from "./location.ts";

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validateSnapshot(spec: SnapshotSpec, path: string): void {
  refuseVolumeSnapshot(spec.fromVolumeSnapshot, path);
  parseSnapshotName(spec.snapshot, `${path}.snapshot`);
}

/** {@link validateSnapshot} where the name may be empty. */
export function validateOptionalSnapshot(spec: SnapshotSpec, path: string): void {
  if (spec.snapshot !== "") return validateSnapshot(spec, path);
  refuseVolumeSnapshot(spec.fromVolumeSnapshot, path);
}

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validateBackup(spec: BackupSpec, path: string): void {
  refuseVolumeSnapshot(spec.fromVolumeSnapshot, path);
  parseCheckoutLocation(spec.checkoutLocation, `${path}.checkout_location`);
}

/**
 * Restores a snapshot into the empty tree. The quota limits others' snapshots and plain archives; the
 * identity's own content is never refused for it.
 * @throws {DaemonError} NOT_FOUND and what restoring throws
 */
export async function runSnapshot(spec: SnapshotSpec, context: InitializerContext): Promise<void> {
  requireStorage(context, "a snapshot");
  const { images, tree, identity, signal, limitBytes } = context;
  const name = parseSnapshotName(spec.snapshot, "snapshot");
  const isOwn = name.kind === "image" && name.identity.owner === identity.owner &&
    name.identity.metaId === identity.metaId;
  const limit = isOwn || limitBytes === undefined ? {} : { limitBytes };
  context.onRestored(await images.restoreSnapshot(tree, spec.snapshot, { signal, ...limit }));
}

/**
 * Restores the latest backup into the empty tree, whatever the quota: a workspace that outgrew it was
 * backed up, and refusing to bring it back would be losing it.
 * @throws {DaemonError} FAILED_PRECONDITION; RESOURCE_EXHAUSTED where the disk is full
 */
export async function runBackup(context: InitializerContext): Promise<void> {
  requireStorage(context, "a backup");
  const { images, tree, identity, signal } = context;
  context.onRestored(await images.restoreBackup(tree, identity, { signal }));
}

function requireStorage({ remoteStorage }: InitializerContext, what: string): void {
  if (remoteStorage) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot restore ${what}: remote storage is disabled for this workspace`,
  );
}

function refuseVolumeSnapshot(fromVolumeSnapshot: boolean, path: string): void {
  if (!fromVolumeSnapshot) return;
  throw invalid(
    `${path}.from_volume_snapshot`,
    "must be false: volume snapshots are of another kind of storage, which this daemon does not use",
  );
}
