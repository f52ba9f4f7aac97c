import { DaemonError } from "../errors.ts";
import { parseSnapshotName } from "../snapshot/mod.ts";
import type { InitializerContext, InitializerKind } from "./initializer_kind.ts";
import type { SnapshotSpec } from "./specs.ts";
import { refuseVolumeSnapshot, requireStorage } from "./stored_content.ts";

/** A snapshot, a backup by its url or a plain archive, to restore. */
export interface SnapshotPlan {
  /** Its name, well-formed. */
  snapshot: string;
  /** Whose snapshot or backup it is; absent for a plain archive. */
  identity?: InitializerContext["identity"];
  /** Whether it is the latest backup of that identity, whichever that is. */
  isLatest: boolean;
}

/** The snapshot initializer. */
export const snapshot: InitializerKind<SnapshotSpec, SnapshotPlan> = {
  fills: "the whole tree",
  parse: parseSnapshot,
  run: runSnapshot,
  checkout: () => undefined,
};

/** Returns the plan of a snapshot's spec. @throws {DaemonError} INVALID_ARGUMENT naming the field */
export function parseSnapshot(spec: SnapshotSpec, path: string): SnapshotPlan {
  refuseVolumeSnapshot(spec, path);
  const name = parseSnapshotName(spec.snapshot, `${path}.snapshot`);
  return {
    snapshot: spec.snapshot,
    ...(name.kind === "archive" ? {} : { identity: name.identity }),
    isLatest: name.kind === "backup" && name.manifest === undefined,
  };
}

/**
 * Restores a snapshot into the empty tree. The quota limits others' snapshots and plain archives; the
 * identity's own content is never refused for it.
 * @throws {DaemonError} FAILED_PRECONDITION where remote storage is disabled, PERMISSION_DENIED for
 *   another owner's latest backup, NOT_FOUND and what restoring throws
 */
export async function runSnapshot(plan: SnapshotPlan, context: InitializerContext): Promise<void> {
  requireStorage(context, "a snapshot");
  if (plan.isLatest) requireOwner(plan, context);
  const { images, tree, identity, signal, limitBytes } = context;
  const isOwn = plan.identity?.owner === identity.owner &&
    plan.identity.metaId === identity.metaId;
  const limit = limitBytes === undefined
    ? {}
    : { quotaBytes: limitBytes, ...(isOwn ? {} : { limitBytes }) };
  context.onRestored(await images.restoreSnapshot(tree, plan.snapshot, { signal, ...limit }));
}

/**
 * Refuses another owner's latest backup. Whoever names a snapshot or an image by its digest was told the
 * name, which nobody can guess; owners and meta_ids can be.
 * @throws {DaemonError} PERMISSION_DENIED
 */
function requireOwner(
  { snapshot, identity }: SnapshotPlan,
  context: InitializerContext,
): void {
  if (identity?.owner === context.identity.owner) return;
  throw new DaemonError(
    "PERMISSION_DENIED",
    `The latest backup of another owner (${snapshot}) can only be started from by its digest: ` +
      "give the url that BackupWorkspace answered",
    { resource: { type: "snapshot", name: snapshot } },
  );
}
