/** Gives the layers of an image their numbers. */

import type { Digest } from "../../../digest.ts";
import { type LayerInfo, UNUSED_LAYER } from "../../../image/mod.ts";
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
  /** The table of the baseline. */
  readonly table: readonly LayerInfo[];
  /** Numbers of data layers in it that the image reuses. */
  readonly reused: ReadonlySet<number>;
  readonly data: readonly SealedLayer[];
  /** New, or the one of the table. */
  readonly metadata: NewLayer;
  /** Remainders of parts, by their temporary numbers. */
  readonly moved: ReadonlyMap<number, MovedRemainder>;
}

/**
 * Numbers an image's layers: those of the baseline keep their numbers, which stay unused where the image has
 * them no longer; then come new data layers by their temporary numbers, and the metadata layer if it is new.
 * A new layer that is byte for byte one of the baseline has the number of that, so that content which was
 * packed again as it was makes no other image.
 * @returns the table, and where the content of each number used while packing is
 */
export function numberLayers(
  { table, reused, data, metadata, moved }: LayersToNumber,
): { layers: LayerInfo[]; destination(number: number): Destination } {
  const isMetadata = (layer: LayerInfo) =>
    layer.isMetadata && !layer.isUnused && layer.digest === metadata.digest;
  const known = new Map<Digest, number>();
  table.forEach((layer, n) => {
    const isFree = layer.isChunks || !reused.has(n);
    if (isFree && !layer.isMetadata && !layer.isUnused) known.set(layer.digest, n);
  });
  const layers = table.map((layer, n) => reused.has(n) || isMetadata(layer) ? layer : UNUSED_LAYER);
  const destinations = new Map<number, Destination>();
  for (const number of reused) destinations.set(number, { layer: number, shift: 0 });
  for (const layer of [...data].sort((a, b) => a.temporary - b.temporary)) {
    const number = known.get(layer.digest) ?? layers.length;
    // Two parts that have packed equal files have equal packs, but layers of which each has its paths.
    if (layer.isChunks) known.set(layer.digest, number);
    else known.delete(layer.digest);
    destinations.set(layer.temporary, { layer: number, shift: 0 });
    layers[number] = layerInfo(layer, false);
  }
  if (!layers.some(isMetadata)) layers.push(layerInfo(metadata, true));
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
