/** Chooses the operations that somebody should look at. */

import type { Operation, OperationKind } from "../operations/mod.ts";

/** Why somebody should look at an operation. */
export type AttentionState = "failed" | "retrying" | "slow";

/** An operation that somebody should look at. */
export interface Attention {
  readonly operation: Operation;
  readonly state: AttentionState;
}

/** Operations that are told of each group; of more than these, the newest failures and the oldest others. */
const MAX_OF_GROUP = 20;

/** Milliseconds for which a failure is told that nothing has made good. */
const TOLD_FOR: Partial<Record<OperationKind, number>> = {
  // The next attempt at a workspace has another id.
  init: 3_600_000,
};
const TOLD_FOR_OTHERS = 86_400_000;

/**
 * Returns what runs and is slow, or has failed attempts, and what has failed and was not made good: by a
 * later success of the same kind, on the same workspace where it is one's. At most 20 inits that have
 * failed, 20 others, and 20 that run.
 *
 * @param operations in the order in which they began
 * @param now milliseconds since the epoch
 */
export function operationsNeedingAttention(
  operations: readonly Operation[],
  now: number,
): Attention[] {
  const roots = operations.filter(({ parent }) => parent === undefined);
  const running = roots.filter(({ state, failure, isSlow }) =>
    state === "running" && (failure !== undefined || isSlow)
  ).slice(0, MAX_OF_GROUP);
  const failed = unmended(roots, now);
  const inits = failed.filter(({ kind }) => kind === "init").slice(0, MAX_OF_GROUP);
  const others = failed.filter(({ kind }) => kind !== "init").slice(0, MAX_OF_GROUP);
  return [
    ...running.map((operation) => ({
      operation,
      state: operation.failure ? "retrying" as const : "slow" as const,
    })),
    ...[...others, ...inits].map((operation) => ({ operation, state: "failed" as const })),
  ];
}

/** Returns the failures that no later success has made good, newest first. */
function unmended(roots: readonly Operation[], now: number): Operation[] {
  const succeeded = new Set<string>();
  const failed: Operation[] = [];
  for (const operation of roots.toReversed()) {
    const { state, kind, failure, endedAt = now } = operation;
    if (state === "succeeded") succeeded.add(workOf(operation));
    if (state !== "failed" || failure?.reason === "SHUTTING_DOWN") continue;
    const isOld = now - endedAt > (TOLD_FOR[kind] ?? TOLD_FOR_OTHERS);
    if (!isOld && !succeeded.has(workOf(operation))) failed.push(operation);
  }
  return failed;
}

/** Returns a name of what an operation does, which a later one has in common that does the same. */
function workOf({ kind, subject: { workspace = "" } }: Operation): string {
  return `${kind} ${workspace}`;
}
