import type { InitializerContext, InitializerKind } from "./initializer_kind.ts";
import { parseCheckoutLocation } from "./location.ts";
import type { BackupSpec } from "./specs.ts";
import { refuseVolumeSnapshot, requireStorage } from "./stored_content.ts";

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
