/**
 * Which layers of the previous image are given up, what is alive in them being packed anew, so that
 * chains stay short and little of what is stored is dead.
 */

import { LAYER_BYTES } from "../write/layer_writer.ts";

/** How much of a reusable layer is alive; bytes are uncompressed. */
export interface LayerUse {
  readonly layer: number;
  readonly rawSize: number;
  readonly liveBytes: number;
}

/** A layer with so much alive is no small one. */
const HALF_FULL = LAYER_BYTES / 2;
/** A layer with less alive than this is given up. */
const MIN_LIVE = 0.6;

/**
 * Chooses layers to give up.
 *
 * Small layers are merged as a binary counter carries: a layer goes when what is being written
 * anyway has become as large as what is alive in it, which rewrites any byte a logarithmic number
 * of times. One that is half full stays: merging it would shorten nothing that the bound below does
 * not. However, there are never more than twice the layers of a fresh image, its tail included.
 * @param fresh what this pack writes anyway: closed layers, and uncompressed bytes in all
 */
export function chooseRewrites(
  uses: readonly LayerUse[],
  fresh: { layers: number; bytes: number },
): Set<number> {
  const given = new Set<number>();
  let written = fresh.bytes;
  for (const { layer, rawSize, liveBytes } of uses) {
    if (liveBytes >= MIN_LIVE * rawSize) continue;
    given.add(layer);
    written += liveBytes;
  }
  const kept = uses.filter(({ layer }) => !given.has(layer))
    .sort((a, b) => a.liveBytes - b.liveBytes);
  const live = written + kept.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
  const most = 2 * Math.max(1, Math.ceil(live / LAYER_BYTES)) + 1;
  for (const { layer, liveBytes } of kept) {
    const open = written > 0 ? 1 : 0;
    const isShort = uses.length - given.size + fresh.layers + open <= most;
    const isWorthIt = written > 0 && liveBytes <= written && liveBytes < HALF_FULL;
    if (isShort && !isWorthIt) break;
    given.add(layer);
    written += liveBytes;
  }
  return given;
}
