/** Gives the layers of an image their final numbers. */

import type { LayerInfo } from "../../../image/mod.ts";
import type { SealedLayer } from "../write/layer_writer.ts";

/** Where the content of a layer, by the number that it had while packing, is in the image. */
export interface Destination {
  readonly layer: number;
  /** Bytes that its content was moved by in that layer. */
  readonly shift: number;
}

/**
 * A remainder that was appended to a layer: that layer's temporary number, and the offset there.
 */
export interface MovedRemainder {
  readonly into: number;
  readonly shift: number;
}

/** A layer whose number is new. */
export type NewLayer = Pick<LayerInfo, "digest" | "size" | "diffId" | "rawSize" | "isChunks">;

/** The layers of an image, by the numbers that they had while packing. */
export interface LayersToNumber {
  /** Layers of the baseline that the image reuses, with their numbers there, in ascending order. */
  readonly reused: readonly (readonly [number, LayerInfo])[];
  readonly data: readonly SealedLayer[];
  readonly metadata: NewLayer;
  /** Remainders of parts, by their temporary numbers. */
  readonly moved: ReadonlyMap<number, MovedRemainder>;
}

/**
 * Orders an image's layers: reused ones, new data layers by their temporary numbers, and the
 * metadata layer.
 * @returns the layers, and where the content of each number used while packing is
 */
export function numberLayers(
  { reused, data, metadata, moved }: LayersToNumber,
): { layers: LayerInfo[]; destination(number: number): Destination } {
  const layers: LayerInfo[] = [];
  const destinations = new Map<number, Destination>();
  for (const [number, layer] of reused) {
    destinations.set(number, { layer: layers.length, shift: 0 });
    layers.push(layer);
  }
  for (const layer of [...data].sort((a, b) => a.temporary - b.temporary)) {
    // Two parts that have packed equal files have equal packs.
    const same = layer.isChunks
      ? layers.findIndex(({ digest, isChunks }) => isChunks && digest === layer.digest)
      : -1;
    destinations.set(layer.temporary, { layer: same < 0 ? layers.length : same, shift: 0 });
    if (same < 0) layers.push(layerInfo(layer, false));
  }
  layers.push(layerInfo(metadata, true));
  for (const [remainder, { into, shift }] of moved) {
    const target = destinations.get(into);
    if (target) destinations.set(remainder, { layer: target.layer, shift });
  }
  return {
    layers,
    destination(number) {
      const found = destinations.get(number);
      if (!found) throw new TypeError(`Cannot place layer ${number}`);
      return found;
    },
  };
}

function layerInfo(layer: NewLayer, isMetadata: boolean): LayerInfo {
  const { digest, size, diffId, rawSize, isChunks } = layer;
  return { digest, size, diffId, rawSize, isMetadata, ...(isChunks ? { isChunks } : {}) };
}
