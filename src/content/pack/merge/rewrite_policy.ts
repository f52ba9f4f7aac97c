/**
 * Decides which layers of the previous image are rewritten: their live files are packed again and
 * the layers are not reused, so that an image has few layers and little stale content.
 */

import { MIN_SEGMENT } from "../../../image/mod.ts";
import { LAYER_BYTES } from "../write/layer_writer.ts";

/** How much of a reusable layer is live; bytes are uncompressed. */
export interface LayerUse {
  readonly layer: number;
  readonly rawSize: number;
  readonly liveBytes: number;
}

/** A layer of which a smaller share is live is rewritten. */
const MIN_LIVE = 0.6;
/** With fewer small layers than this, none is merged for its size alone. */
const SMALL_LAYERS = 8;

/** By which sizes layers are merged, in bytes. */
export interface MergeSizes {
  /** After so many, a layer is closed. */
  readonly layerBytes: number;
  /** So few, in all, are merged however few small layers there are. */
  readonly cheapBytes: number;
}

const LAYERS: MergeSizes = { layerBytes: LAYER_BYTES, cheapBytes: 2 << 20 };

/** Packs are closed where content says so. Many cost little: no reader needs one that it wants no chunk of. */
export const PACKS: MergeSizes = { layerBytes: MIN_SEGMENT, cheapBytes: 0 };

/**
 * Returns the layers to rewrite.
 *
 * Mostly stale layers are rewritten. Small ones are merged as a binary counter carries: a layer is
 * rewritten once what is written anyway is as large as what is live in it, so that each byte is
 * rewritten a logarithmic number of times; and where that is more than a little to read, only once
 * several layers have come together, so that most saves write nothing but what has changed. A
 * half-full layer stays, since merging it shortens nothing that the bound does not: an image has at
 * most twice the layers of a fresh one, with its metadata layer, and where merging is costly
 * {@link SMALL_LAYERS} less one more.
 * @param fresh what this pack writes anyway: sealed layers, and uncompressed bytes in all
 */
export function chooseRewrites(
  uses: readonly LayerUse[],
  fresh: { layers: number; bytes: number },
  { layerBytes, cheapBytes }: MergeSizes = LAYERS,
): Set<number> {
  const rewritten = new Set<number>();
  const halfFull = layerBytes / 2;
  let written = fresh.bytes;
  for (const { layer, rawSize, liveBytes } of uses) {
    if (liveBytes >= MIN_LIVE * rawSize) continue;
    rewritten.add(layer);
    written += liveBytes;
  }
  const kept = uses.filter(({ layer }) => !rewritten.has(layer))
    .sort((a, b) => a.liveBytes - b.liveBytes);
  const live = written + kept.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
  const most = 2 * Math.max(1, Math.ceil(live / layerBytes)) + 1;
  const isDue = kept.filter(({ liveBytes }) => liveBytes < halfFull).length >= SMALL_LAYERS;
  let merged = 0;
  for (const { layer, liveBytes } of kept) {
    merged += liveBytes;
    const isCheap = merged <= cheapBytes;
    const open = written > 0 ? 1 : 0;
    const layers = uses.length - rewritten.size + fresh.layers + open;
    const isShort = layers <= (isCheap ? most : most + SMALL_LAYERS - 1);
    const isWorthIt = written > 0 && liveBytes <= written && liveBytes < halfFull &&
      (isDue || isCheap);
    if (isShort && !isWorthIt) break;
    rewritten.add(layer);
    written += liveBytes;
  }
  return rewritten;
}
