/** Finds out which lineages the images of a history are of; what was found out once is remembered. */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore } from "../store/mod.ts";
import { mapConcurrent } from "../async/mod.ts";
import { STORE_CONCURRENCY } from "./concurrency.ts";
import type { Lineage } from "./lineage.ts";
import type { ImageDescription } from "./manifest.ts";
import { readImage } from "./read_image.ts";
import type { ImageReference } from "./references.ts";
import type { HistoryImage } from "./retained_images.ts";

/** An image of a history as it was read. */
export interface DescribedImage extends HistoryImage {
  /** Digests of its layers, lowest first; absent where its lineage is known. */
  readonly layers?: readonly Digest[];
}

type Known = Pick<DescribedImage, "lineage" | "layers">;

/** Maximum number of images that are remembered; what is said of any other is read again. */
const MAX_IMAGES = 10_000;

/** The lineages of images, by their manifests. */
export class KnownLineages {
  readonly #known = new Map<Digest, Known>();

  /** Remembers an image that was stored. */
  add(manifest: Digest, lineage: Lineage | undefined): void {
    if (lineage) this.#remember(manifest, { lineage });
  }

  /**
   * Returns images with their lineages. That of one which cannot be read, or is not there any more, is
   * unknown.
   * @throws {DaemonError} UNAVAILABLE and whatever else the store fails with
   */
  async describe(
    store: ObjectStore,
    images: readonly ImageReference[],
    signal?: AbortSignal,
  ): Promise<DescribedImage[]> {
    const described: DescribedImage[] = [];
    const describe = async (image: ImageReference) => {
      const known = this.#known.get(image.manifest) ?? await read(store, image.manifest, signal);
      this.#remember(image.manifest, known);
      return { ...image, ...known };
    };
    for await (const image of mapConcurrent(images, STORE_CONCURRENCY, describe)) {
      described.push(image);
    }
    return described;
  }

  #remember(manifest: Digest, known: Known): void {
    this.#known.delete(manifest);
    if (!known.lineage && !known.layers) return;
    this.#known.set(manifest, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_IMAGES) this.#known.delete(oldest!);
  }
}

async function read(
  store: ObjectStore,
  manifest: Digest,
  signal: AbortSignal | undefined,
): Promise<Known> {
  let image: ImageDescription;
  try {
    image = await readImage(store, manifest, signal);
  } catch (error) {
    if (error instanceof DaemonError && error.code === "DATA_LOSS") return {};
    throw error;
  }
  const { lineage, layers } = image;
  return lineage ? { lineage } : { layers: layers.map(({ digest }) => digest) };
}
