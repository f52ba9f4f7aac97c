import { parseSnapshotName } from "../snapshot/mod.ts";
import type { InitializerContext, InitializerKind } from "./initializer_kind.ts";
import type { SnapshotSpec } from "./specs.ts";
import { refuseVolumeSnapshot, requireStorage } from "./stored_content.ts";

/** A snapshot, or a plain archive, to restore. */
export interface SnapshotPlan {
  /** Its name, well-formed. */
  snapshot: string;
  /** Whose snapshot it is; absent for a plain archive. */
  identity?: InitializerContext["identity"];
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
    ...(name.kind === "image" ? { identity: name.identity } : {}),
  };
}

/**
 * Restores a snapshot into the empty tree. The quota limits others' snapshots and plain archives; the
 * identity's own content is never refused for it.
 * @throws {DaemonError} FAILED_PRECONDITION where remote storage is disabled, NOT_FOUND and what
 *   restoring throws
 */
export async function runSnapshot(plan: SnapshotPlan, context: InitializerContext): Promise<void> {
  requireStorage(context, "a snapshot");
  const { images, tree, identity, signal, limitBytes } = context;
  const isOwn = plan.identity?.owner === identity.owner &&
    plan.identity.metaId === identity.metaId;
  const limit = limitBytes === undefined
    ? {}
    : { quotaBytes: limitBytes, ...(isOwn ? {} : { limitBytes }) };
  context.onRestored(await images.restoreSnapshot(tree, plan.snapshot, { signal, ...limit }));
}
