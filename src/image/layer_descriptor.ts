/** A layer in OCI's terms. */

import type { Digest } from "../digest.ts";

/** A layer as an OCI manifest and config need it. */
export interface LayerDescriptor {
  /** Digest of the compressed bytes. */
  readonly digest: Digest;
  /** Compressed bytes. */
  readonly size: number;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
}
