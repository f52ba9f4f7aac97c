/**
 * Decides which images of an identity's history are kept. It is the one place that does: a save
 * applies it to what it adds to, and so does whatever lists what a rule would let go.
 *
 * Beside the newest images stay the **heads** of other lineages. A head is the last image of its
 * lineage that no image of the history began from: the only place where somebody's work is. Images
 * of unknown lineage, which earlier versions made, count as of one lineage that is no one else's.
 */

import type { Lineage } from "./lineage.ts";
import type { ImageReference } from "./references.ts";

/** An image of a history. */
export interface HistoryImage extends ImageReference {
  /** Absent where it is unknown. */
  readonly lineage?: Lineage | undefined;
}

/** What is kept of a history. */
export interface RetentionRules {
  /** The newest images, at least 1, of whatever lineage. */
  readonly retain: number;
  /** The most heads of other lineages that are kept beside them; the newest ones. */
  readonly otherLineages: number;
}

/** A history by the rules. */
export interface RetainedImages<Image extends HistoryImage> {
  /** What is kept, newest first. */
  readonly images: Image[];
  /** Those of them that only their lineage keeps. */
  readonly heads: Image[];
  /** Heads that are let go, because there are too many of them. */
  readonly droppedHeads: Image[];
}

/** Applies the rules to a history, which is newest first. */
export function retainedImages<Image extends HistoryImage>(
  history: readonly Image[],
  { retain, otherLineages }: RetentionRules,
): RetainedImages<Image> {
  const newest = new Set(history.slice(0, retain));
  const beside = headsOf(history).filter((head) => !newest.has(head));
  const heads = beside.slice(0, otherLineages);
  const kept = new Set([...newest, ...heads]);
  return {
    images: history.filter((image) => kept.has(image)),
    heads,
    droppedHeads: beside.slice(otherLineages),
  };
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
