import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { InitializerContext, InitializerKind } from "./initializer_kind.ts";
import { parseCheckoutLocation } from "./location.ts";
import type { BackupSpec } from "./specs.ts";
import { refuseVolumeSnapshot, requireStorage } from "./stored_content.ts";

const log = logger("initializer");

/** The identity's latest backup, to restore. */
export interface BackupPlan {
  /** Where its checkout is; empty for the top folder. */
  location: string;
}

/** The backup initializer. */
export const backup: InitializerKind<BackupSpec, BackupPlan> = {
  fills: "the whole tree",
  parse(spec, path) {
    refuseVolumeSnapshot(spec, path);
    const field = `${path}.checkout_location`;
    return { location: parseCheckoutLocation(spec.checkoutLocation, field) };
  },
  run: (_plan, context) => restoreBackup(context),
  checkout: ({ location }) => ({ location, isMade: false }),
};

/**
 * Restores the latest backup into the empty tree, whatever the quota: a workspace that outgrew it was
 * backed up, and refusing to bring it back would be losing it.
 * @throws {DaemonError} FAILED_PRECONDITION where there is none or remote storage is disabled,
 *   RESOURCE_EXHAUSTED where the disk is full, and what restoring throws
 */
async function restoreBackup(context: InitializerContext): Promise<void> {
  requireStorage(context, "a backup");
  const { images, tree, identity, signal, limitBytes } = context;
  const quota = limitBytes === undefined ? {} : { quotaBytes: limitBytes };
  context.onRestored(await images.restoreBackup(tree, identity, { signal, ...quota }));
}

/**
 * Restores the latest backup where there is one, as {@link restoreBackup} does.
 * @returns whether there was one
 * @throws {DaemonError} as {@link restoreBackup}, but for a backup that does not exist and for storage
 *   that is disabled
 */
export async function restoreBackupIfAny(context: InitializerContext): Promise<boolean> {
  if (!context.remoteStorage) return false;
  try {
    await restoreBackup(context);
  } catch (error) {
    if (error instanceof DaemonError && error.reason === "BACKUP_NOT_FOUND") return false;
    throw error;
  }
  log.info("Restored what there is of {owner}/{metaId}, as init.preferBackup says", {
    ...context.identity,
  });
  return true;
}
