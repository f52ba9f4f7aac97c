/** Checks that the initializers which restore from the object store share. */

import { DaemonError, invalid } from "../errors.ts";
import type { InitializerContext } from "./initializer_kind.ts";

/**
 * Refuses to restore where the workspace must not use remote storage.
 * @throws {DaemonError} FAILED_PRECONDITION
 */
export function requireStorage(
  { remoteStorage }: Pick<InitializerContext, "remoteStorage">,
  what: string,
): void {
  if (remoteStorage) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot restore ${what}: remote storage is disabled for this workspace`,
    { reason: "REMOTE_STORAGE_DISABLED" },
  );
}

/** Refuses volume snapshots. @throws {DaemonError} INVALID_ARGUMENT */
export function refuseVolumeSnapshot(
  { fromVolumeSnapshot }: { fromVolumeSnapshot: boolean },
  path: string,
): void {
  if (!fromVolumeSnapshot) return;
  throw invalid(
    `${path}.from_volume_snapshot`,
    "must be false: volume snapshots are of another kind of storage, which this daemon does not use",
  );
}
