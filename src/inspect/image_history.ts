/** Shows an identity's backups with their lineages. */

import { headsOf, KnownLineages, type Lineage } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import { findImages, type FoundImage } from "./catalog.ts";

/** A backup of a history. */
export interface HistoryEntry extends FoundImage {
  /** Absent where it is unknown. */
  lineage?: Lineage | undefined;
  /** Whether it is the last image of its lineage and no image of the history began from it. */
  isHead: boolean;
}

/**
 * Returns the backups of the identity that a backup's url names, newest first; a snapshot alone.
 * @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND
 */
export async function imageHistory(
  store: ObjectStore,
  { kind, url, manifest }: Pick<FoundImage, "kind" | "url" | "manifest">,
  signal?: AbortSignal,
): Promise<HistoryEntry[]> {
  const all = kind === "backup" ? url.slice(0, -`@${manifest}`.length) : url;
  const images = await findImages(store, all, signal);
  const described = await new KnownLineages().describe(store, images, signal);
  const heads = new Set(headsOf(described));
  return described.map((one, n) => ({
    ...images[n]!,
    lineage: one.lineage,
    isHead: heads.has(one),
  }));
}
