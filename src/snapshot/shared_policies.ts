/**
 * Notes in the store by which policies each daemon keeps images there, so that several with different ones
 * lose nothing of each other: what any of them keeps stays.
 *
 * Each daemon has an object of its own, which it writes anew at intervals. One that was not for a week is
 * of a node that is gone.
 */

import * as z from "zod";
import { mapConcurrent } from "../async/mod.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectInfo, ObjectStore, StoreOptions } from "../store/mod.ts";
import { STORE_CONCURRENCY } from "./concurrency.ts";
import type { RetentionRules } from "./retained_images.ts";

/** The prefix of the keys of policies. */
const POLICY_PREFIX = "gc/policies/";

/** Milliseconds after which a policy that was not written again does not count any more. */
const MAX_AGE_MS = 7 * 86_400_000;

/** By which a daemon keeps what is in a store. */
export interface StorePolicy {
  readonly backups: RetentionRules;
  /** Milliseconds; absent where snapshots are kept for ever. */
  readonly snapshotTtl?: number | undefined;
  /** Milliseconds that its collections leave blobs alone. */
  readonly graceMs: number;
}

const count = z.int().nonnegative();
const schema = z.object({
  version: z.literal(1),
  backups: z.object({
    retain: count,
    otherLineages: count,
    keep: z.object({
      last: count.optional(),
      within: z.object({ years: count, months: count, days: count, hours: count }).optional(),
      hourly: count.optional(),
      daily: count.optional(),
      weekly: count.optional(),
      monthly: count.optional(),
    }).optional(),
  }),
  snapshotTtl: count.optional(),
  graceMs: count,
});

/** Returns the key of a daemon's policy. @param node the id of its journal */
export function policyKey(node: string): string {
  return `${POLICY_PREFIX}${node}.json`;
}

/** Writes the policy of a daemon, in place of its earlier one. */
export async function publishPolicy(
  store: ObjectStore,
  node: string,
  policy: StorePolicy,
  options?: StoreOptions,
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, ...policy }));
  await store.putRef(policyKey(node), bytes, options);
}

/**
 * Returns the policies of the daemons that use a store, by their nodes.
 * @throws {DaemonError} DATA_LOSS for one that cannot be read: what it keeps is unknown
 */
export async function sharedPolicies(
  store: ObjectStore,
  options: StoreOptions = {},
): Promise<Map<string, StorePolicy>> {
  const after = await store.now(options) - MAX_AGE_MS;
  const read = async ({ key, modified }: ObjectInfo) => {
    if (modified < after || !key.endsWith(".json")) return undefined;
    try {
      const bytes = await store.getRef(key, options);
      const node = key.slice(POLICY_PREFIX.length, -".json".length);
      return { node, policy: parse(key, bytes) };
    } catch (error) {
      if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
      throw error;
    }
  };
  const policies = new Map<string, StorePolicy>();
  const keys = store.list(POLICY_PREFIX, options);
  for await (const found of mapConcurrent(keys, STORE_CONCURRENCY, read)) {
    if (found) policies.set(found.node, found.policy);
  }
  return policies;
}

function parse(key: string, bytes: Uint8Array): StorePolicy {
  try {
    const { version: _, ...policy } = schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return policy;
  } catch (cause) {
    throw new DaemonError(
      "DATA_LOSS",
      `The policy ${key} is damaged or of a newer version, so nothing is forgotten by age or rules: its ` +
        "daemon writes it anew within hours, and what is of a node that is gone can be deleted",
      { cause },
    );
  }
}

/** Returns the policy that keeps what any of several keeps. */
export function joinPolicies(policies: readonly StorePolicy[]): {
  backups: RetentionRules[];
  snapshotTtl?: number;
  graceMs: number;
} {
  const ttls = policies.map(({ snapshotTtl = Infinity }) => snapshotTtl);
  const snapshotTtl = Math.max(...ttls);
  return {
    backups: policies.map(({ backups }) => backups),
    ...(Number.isFinite(snapshotTtl) ? { snapshotTtl } : {}),
    graceMs: Math.max(...policies.map(({ graceMs }) => graceMs)),
  };
}
