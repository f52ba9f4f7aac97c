/**
 * Forgets the images that a policy does not keep: backups by rules, snapshots by age. What is forgotten
 * cannot be restored any more; the next collection frees what nothing else needs.
 */

import { DaemonError } from "../errors.ts";
import {
  backupKey,
  changeHistory,
  type FoundImage,
  type FoundReference,
  imagesOf,
  type ImageUse,
  imageUses,
  keepsBackups,
  KnownLineages,
  lastImageUse,
  type ListedReference,
  references,
  retainedImages,
  type RetentionRules,
} from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import { compare, removeImages } from "./catalog.ts";

/** What is kept of a store. */
export interface ForgetPolicy {
  /** Of each identity's backups, whatever one of these keeps; nothing is forgotten of them unless given. */
  backups?: readonly RetentionRules[];
  /** Milliseconds that a snapshot is kept after it was made and was used last; for ever unless given. */
  snapshotTtl?: number;
}

/** An image with what becomes of it. */
export interface PlannedImage extends FoundImage {
  isKept: boolean;
  /** Why it is kept, or let go. */
  reasons: readonly string[];
}

/** What a policy does to the images of a store. */
export interface ForgetPlan {
  /** By owner, meta_id and kind, the newest first. */
  images: PlannedImage[];
  /** References that cannot be read, which are left alone. */
  unreadable: { key: string; error: DaemonError }[];
  /** Why only `force` permits it; `undefined` where nothing speaks against it. */
  needsForce?: string;
}

/** Options of {@link planForget}. */
export interface PlanForgetOptions {
  /** Only these images are looked at. */
  filter?: { owner?: string; metaId?: string };
  signal?: AbortSignal | undefined;
}

/** More snapshots than these are not let go at once, where they are most of them. */
const MANY_SNAPSHOTS = 20;

/** Returns what a policy does to the images of a store; changes nothing. */
export async function planForget(
  store: ObjectStore,
  policy: ForgetPolicy,
  { filter = {}, signal }: PlanForgetOptions = {},
): Promise<ForgetPlan> {
  const unreadable: ForgetPlan["unreadable"] = [];
  const lineages = new KnownLineages();
  const now = await store.now({ signal });
  const uses = policy.snapshotTtl === undefined ? new Map() : await imageUses(store, { signal });
  const images: PlannedImage[] = [];
  const onMalformed = (key: string, error: DaemonError) => void unreadable.push({ key, error });
  for await (const reference of references(store, signal, onMalformed)) {
    const { owner = reference.owner, metaId = reference.metaId } = filter;
    if (owner !== reference.owner || metaId !== reference.metaId) continue;
    if (reference.kind === "snapshot") {
      images.push(...planSnapshot(reference, policy.snapshotTtl, uses, now));
    } else images.push(...await planBackups(store, reference, policy, { now, lineages, signal }));
  }
  images.sort((a, b) =>
    compare(a.owner, b.owner) || compare(a.metaId, b.metaId) || compare(a.kind, b.kind) ||
    b.createdAt - a.createdAt
  );
  const needsForce = objection(images, policy);
  return { images, unreadable, ...(needsForce === undefined ? {} : { needsForce }) };
}

/** Returns why a policy is more likely a mistake; `undefined` where it is not. */
function objection(
  images: readonly PlannedImage[],
  { backups = [] }: ForgetPolicy,
): string | undefined {
  if (backups.length > 0 && !backups.some(keepsBackups)) {
    return "the policy keeps no backup at all";
  }
  const snapshots = images.filter(({ kind }) => kind === "snapshot");
  const dropped = snapshots.filter(({ isKept }) => !isKept);
  if (dropped.length === 0) return undefined;
  if (dropped.length === snapshots.length && snapshots.length > 1) {
    return `all ${snapshots.length} snapshots would be forgotten`;
  }
  return dropped.length > MANY_SNAPSHOTS && 2 * dropped.length > snapshots.length
    ? `${dropped.length} of ${snapshots.length} snapshots would be forgotten`
    : undefined;
}

async function planBackups(
  store: ObjectStore,
  reference: FoundReference,
  { backups }: ForgetPolicy,
  { now, lineages, signal }: {
    now: number;
    lineages: KnownLineages;
    signal: AbortSignal | undefined;
  },
): Promise<PlannedImage[]> {
  const images = imagesOf(reference);
  if (!backups) return images.map((image) => ({ ...image, isKept: true, reasons: ["no policy"] }));
  const history = await lineages.describe(store, reference.images, signal);
  const { reasons } = retainedImages(history, backups, now);
  return images.map((image, n) => {
    const kept = reasons.get(history[n]!);
    return { ...image, isKept: kept !== undefined, reasons: kept ?? ["no rule keeps it"] };
  });
}

function planSnapshot(
  reference: ListedReference,
  ttl: number | undefined,
  uses: ReadonlyMap<string, ImageUse>,
  now: number,
): PlannedImage[] {
  return imagesOf(reference).map((image) => {
    const planned = (isKept: boolean, reason: string) => ({ ...image, isKept, reasons: [reason] });
    if (ttl === undefined) return planned(true, "no policy");
    // The clock of the node that made it may have been wrong; the store's says when it was stored.
    const madeAt = Math.max(image.createdAt, reference.modified);
    if (now - madeAt <= ttl) return planned(true, "within the ttl");
    const use = uses.get(image.manifest);
    if (!use || now - use.usedAt > ttl) return planned(false, "older than the ttl, and unused");
    const at = new Date(use.usedAt).toISOString();
    return planned(true, `used by workspace ${use.workspace} until ${at} at least`);
  });
}

/** Options of {@link applyForget}. */
export interface ApplyForgetOptions {
  policy: ForgetPolicy;
  /** Applies also what only it permits. */
  force?: boolean;
  /** Called for each image that was forgotten. */
  onForgotten?(image: PlannedImage): void;
  signal?: AbortSignal | undefined;
}

/**
 * Forgets what a plan lets go. Backups that were made meanwhile stay: the policy is applied to each history as
 * it is by then. So do snapshots that workspaces were started from meanwhile.
 * @throws {DaemonError} FAILED_PRECONDITION where only `force` permits it: nothing is forgotten then
 */
export async function applyForget(
  store: ObjectStore,
  plan: ForgetPlan,
  { policy, force = false, onForgotten = () => {}, signal }: ApplyForgetOptions,
): Promise<void> {
  if (plan.needsForce !== undefined && !force) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Nothing was forgotten, because ${plan.needsForce}: look at it with --dry-run, and repeat it ` +
        "with --force if that is meant",
    );
  }
  const dropped = plan.images.filter(({ isKept }) => !isKept);
  for (const image of dropped.filter(({ kind }) => kind === "snapshot")) {
    if (await isUsed(store, image, policy, signal)) continue;
    await forgetSnapshot(store, image, signal);
    onForgotten(image);
  }
  const backups = Map.groupBy(
    dropped.filter(({ kind }) => kind === "backup"),
    ({ owner, metaId }) => `${owner}/${metaId}`,
  );
  for (const images of backups.values()) {
    await forgetBackups(store, images, { policy, signal });
    images.forEach(onForgotten);
  }
}

/** Returns whether the use of an image was noted within the time that a policy keeps snapshots. */
async function isUsed(
  store: ObjectStore,
  { manifest }: FoundImage,
  { snapshotTtl = 0 }: ForgetPolicy,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const usedAt = await lastImageUse(store, manifest, { signal });
  return usedAt !== undefined && await store.now({ signal }) - usedAt <= snapshotTtl;
}

async function forgetSnapshot(
  store: ObjectStore,
  { url }: FoundImage,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await removeImages(store, url, signal);
  } catch (error) {
    // Somebody else has forgotten it meanwhile.
    if (!(error instanceof DaemonError) || error.code !== "NOT_FOUND") throw error;
  }
}

async function forgetBackups(
  store: ObjectStore,
  images: readonly PlannedImage[],
  { policy, signal }: Pick<ApplyForgetOptions, "policy" | "signal">,
): Promise<void> {
  const { owner, metaId } = images[0]!;
  const identity = { owner, metaId };
  const dropped = new Set(images.map(({ manifest }) => manifest));
  const now = await store.now({ signal });
  await changeHistory(store, {
    key: backupKey(identity),
    identity,
    change: (history) => {
      const { reasons } = retainedImages(history, policy.backups ?? [], now);
      const left = history.filter((image) => reasons.has(image) || !dropped.has(image.manifest));
      return left.length === history.length ? undefined : left;
    },
    signal,
  });
}
