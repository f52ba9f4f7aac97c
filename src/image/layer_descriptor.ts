/** What OCI says of a layer. */

import type { Digest } from "../digest.ts";

/** A layer as an OCI manifest and config need it. */
export interface LayerDescriptor {
  /** Of the compressed bytes. */
  readonly digest: Digest;
  /** Compressed bytes. */
  readonly size: number;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
}
