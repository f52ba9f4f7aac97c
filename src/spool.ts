/** Files that the daemon, its store and the content Workers hand to each other. */

import type { Digest } from "./digest.ts";

/** A regular file that both the daemon and the content Workers can reach. */
export interface LocalFile {
  /**
   * What a killed daemon left in `spool` is deleted; `blobs` is the embedded store's folder and `cache`
   * that of layers which the node keeps of another store, both read only to Workers.
   */
  readonly area: "spool" | "blobs" | "cache";
  /** Relative to the area's folder, `/`-separated. */
  readonly path: string;
}

/** A file in the spool whose digest is already known. */
export interface SpooledBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly file: LocalFile;
}

/** A file that stays within the content Workers' reach until it is released. */
export interface LeasedFile extends LocalFile {
  release(): Promise<void>;
}
