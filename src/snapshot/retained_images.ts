/**
 * Decides which images of an identity's history are kept. It is the one place that does: a save
 * applies it to what it adds to, and so does whatever lists what a rule would let go.
 *
 * Beside the newest images stay the **heads** of other lineages. A head is the last image of its
 * lineage that no image of the history began from: the only place where somebody's work is. Images
 * of unknown lineage, which earlier versions made, count as of one lineage that is no one else's.
 */

import { applyKeepPolicy, type KeepPolicy, keepsSomething } from "./keep_policy.ts";
import type { Lineage } from "./lineage.ts";
import type { ImageReference } from "./references.ts";

/** An image of a history. */
export interface HistoryImage extends ImageReference {
  /** Absent where it is unknown. */
  readonly lineage?: Lineage | undefined;
}

/** What is kept of a history. */
export interface RetentionRules {
  /** The newest images, of whatever lineage. */
  readonly retain: number;
  /** The most heads of other lineages that are kept beside them; the newest ones. */
  readonly otherLineages: number;
  /** What is kept besides, or instead of the newest where it says how many of the last. */
  readonly keep?: KeepPolicy | undefined;
}

/** A history by the rules. */
export interface RetainedImages<Image extends HistoryImage> {
  /** What is kept, newest first. */
  readonly images: Image[];
  /** Why each of them is kept, in words. */
  readonly reasons: ReadonlyMap<Image, readonly string[]>;
  /** Those of them that only their lineage keeps. */
  readonly heads: Image[];
  /** Heads that are let go, because there are too many of them. */
  readonly droppedHeads: Image[];
}

/**
 * Applies rules to a history, which is newest first: what any of them keeps stays, and so does the newest
 * image. Rules that keep nothing at all let everything go.
 * @param now milliseconds since the epoch; what is newer is of the future
 */
export function retainedImages<Image extends HistoryImage>(
  history: readonly Image[],
  rules: RetentionRules | readonly RetentionRules[],
  now: number = Infinity,
): RetainedImages<Image> {
  const all = [rules].flat();
  const reasons = new Map<Image, string[]>();
  const [newest] = history;
  for (const rule of all.filter(keepsBackups)) {
    for (const [image, why] of applyKeepPolicy(history, policyOf(rule), now)) {
      reasons.set(image, [...new Set([...reasons.get(image) ?? [], ...why])]);
    }
    if (newest && !reasons.has(newest)) reasons.set(newest, ["newest"]);
  }
  const beside = headsOf(history).filter((head) => !reasons.has(head));
  const most = reasons.size === 0 ? 0 : Math.max(...all.map((rule) => rule.otherLineages));
  const heads = beside.slice(0, most);
  for (const head of heads) reasons.set(head, ["last of another lineage"]);
  return {
    images: history.filter((image) => reasons.has(image)),
    reasons,
    heads,
    droppedHeads: beside.slice(most),
  };
}

/** Returns whether rules keep anything at all. */
export function keepsBackups(rules: RetentionRules): boolean {
  return keepsSomething(policyOf(rules));
}

function policyOf({ retain, keep }: RetentionRules): KeepPolicy {
  return { ...keep, last: keep?.last ?? retain };
}

/** Returns the heads of all lineages of a history, newest first. */
export function headsOf<Image extends HistoryImage>(history: readonly Image[]): Image[] {
  const bases = new Set(history.map(({ lineage }) => lineage?.base));
  const seen = new Set<string | undefined>();
  return history.filter(({ lineage, manifest }) => {
    const isLast = !seen.has(lineage?.id);
    seen.add(lineage?.id);
    return isLast && !bases.has(manifest);
  });
}
