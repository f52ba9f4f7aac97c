/** A layer in OCI's terms. */

import type { Digest } from "../digest.ts";

/** A layer as an OCI manifest and config need it. */
export interface LayerDescriptor {
  /** Digest of the compressed bytes. */
  readonly digest: Digest;
  /** Compressed bytes. */
  readonly size: number;
  /** Digest of the uncompressed tar; zeros for a chunk pack. */
  readonly diffId: Digest;
  /** Whether it is a chunk pack, which is no layer to other tools. */
  readonly isChunks?: boolean;
}

/** Returns what a descriptor has, without what else is known of a layer. */
export function descriptorOf(
  { digest, size, diffId, isChunks }: LayerDescriptor,
): LayerDescriptor {
  return { digest, size, diffId, ...(isChunks ? { isChunks } : {}) };
}
