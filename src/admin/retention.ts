/** Forgets what a policy does not keep, as an operation of this daemon. */

import { applyForget, type ForgetPolicy, planForget } from "../inspect/mod.ts";
import { logger } from "../log/mod.ts";
import type { OperationRegistry } from "../operations/mod.ts";
import { forgetImageUses } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

const log = logger("admin");

/** Milliseconds that notes of uses are kept where no snapshot is forgotten by its age. */
const KEEP_USES_MS = 365 * 86_400_000;

/**
 * Forgets the images of a store that a policy does not keep, and notes of uses that nobody needs any more.
 * @throws {DaemonError} FAILED_PRECONDITION for a policy that would forget too much: nothing is forgotten then
 */
export async function forgetByPolicy(
  policy: ForgetPolicy,
  { store, operations, stop }: {
    store: ObjectStore;
    operations: OperationRegistry;
    stop: AbortSignal;
  },
): Promise<void> {
  await operations.run({ kind: "deletion" }, async (operation) => {
    const signal = AbortSignal.any([stop, operation.signal]);
    operation.enter("applying the policy");
    const plan = await planForget(store, policy, { signal });
    for (const { key, error } of plan.unreadable) {
      log.warn("{key} is left alone by the policy: {reason}", { key, reason: error.message });
    }
    operation.enter("forgetting images");
    let images = 0;
    await applyForget(store, plan, {
      policy,
      onForgotten: ({ url, reasons }) => {
        images++;
        operation.progress.add({ files: 1 });
        log.info("Forgot {url} by policy: {reasons}", { url, reasons });
      },
      signal,
    });
    await forgetImageUses(store, policy.snapshotTtl ?? KEEP_USES_MS, { signal });
    operation.setFigures({ images });
  });
}
