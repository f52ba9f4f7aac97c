/** Remembers the last image of each tree, so that a tree that has not changed needs no new one. */

import type { PackStats } from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import type { ImageBlob } from "./image_blobs.ts";
import type { Lineage } from "./lineage.ts";

/** An image that is stored, and the state of the tree that it shows. */
export interface LastImage {
  /** As `PackResult.state` has it. */
  readonly state: string;
  readonly manifest: Digest;
  readonly lineage?: Lineage | undefined;
  /** See `ImageReference.format`. */
  readonly format?: 2;
  /** Every blob of the image, the manifest included. */
  readonly blobs: readonly ImageBlob[];
  readonly stats: PackStats;
}

/** Maximum number of trees that are remembered; a save of any other walks the tree. */
const MAX_TREES = 10_000;

/** The images that this process stored last, by the name of the tree's baseline. Lost by a restart. */
export class LastImages {
  readonly #images = new Map<string, LastImage>();

  get(baseline: string): LastImage | undefined {
    return this.#images.get(baseline);
  }

  /** Remembers a tree's last image, or with `undefined` forgets it. */
  set(baseline: string, image: LastImage | undefined): void {
    this.#images.delete(baseline);
    if (!image) return;
    this.#images.set(baseline, image);
    const [oldest] = this.#images.keys();
    if (this.#images.size > MAX_TREES) this.#images.delete(oldest!);
  }
}

/** Returns the statistics of a save that read and stored nothing, of a tree with these. */
export function unchangedStats(stats: PackStats): PackStats {
  return { ...stats, filesRead: 0, bytesRead: 0, newLayers: 0, newLayerBytes: 0 };
}
