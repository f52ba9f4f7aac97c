/** The options and the results of restores and extractions. */

import type { Digest } from "../../digest.ts";
import type { IndexChain, LayerDescriptor } from "../../image/mod.ts";
import type { LeasedFile, LocalFile } from "../../spool.ts";
import type { Omissions } from "../omissions.ts";

/** A blob that is elsewhere, to be read once, in ranges. */
export interface BlobStream {
  /**
   * A file of the spool, empty as yet, that is to have the blob afterwards; absent where none is wanted.
   * Deleted where it cannot be written, such as on a full disk.
   */
  readonly copy?: LocalFile;
  /** Reads the bytes from `start` up to `end`, unchecked, into memory that is the caller's. */
  read(start: number, end: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Ends the reading. @param isWhole whether all of the blob was read, has its digest, and is in what there is of `copy` */
  close(isWhole: boolean): Promise<void>;
}

/** Options of `Content.restore`. */
export interface RestoreOptions {
  signal?: AbortSignal | undefined;
  /** The image's layers, lowest first. */
  layers: readonly LayerDescriptor[];
  /** Absent for an image that other tools made or copied: its layers are applied one by one. */
  index?: IndexChain;
  /**
   * Makes a blob readable as a local file; called when its content is needed, several at once. The
   * Workers check every digest before the tree counts as restored. `release` is called after use.
   */
  fetch(blob: { digest: Digest; size: number }): Promise<LeasedFile>;
  /**
   * Called in place of `fetch` for a layer whose files are restored by the index, if given: a layer that
   * comes from elsewhere need not be written to the disk to be read. What is read of it becomes files
   * before its digest is known, so a restore that fails with DATA_LOSS may be tried again without this.
   */
  open?(blob: { digest: Digest; size: number }): Promise<LeasedFile | BlobStream>;
  /** The most that the tree may take on disk, in bytes; RESOURCE_EXHAUSTED beyond. */
  limitBytes?: number;
  /**
   * Whether this product made the image: others lose set-id bits, devices and privileged xattrs.
   */
  trusted: boolean;
}

/** Options of `Content.extract`. */
export interface ArchiveOptions {
  signal?: AbortSignal | undefined;
  /** As the archive's first bytes tell unless given. */
  compression?: "none" | "gzip" | "zstd";
  /** The most that the tree may take on disk, in bytes; RESOURCE_EXHAUSTED beyond. */
  limitBytes?: number;
  /**
   * Whether set-id bits, devices and privileged xattrs of the archive are made; no unless given. Paths that
   * leave the tree are refused all the same.
   */
  trusted?: boolean;
}

/** The result of a restore or an extraction; sizes are bytes. */
export interface RestoreResult {
  files: number;
  /** Apparent bytes of regular files. */
  contentBytes: number;
  /** What the tree takes on disk, counted as limits count it (`disk_usage.ts`). */
  diskBytes: number;
  /** What was not restored as the image has it. */
  omitted: Omissions;
  /**
   * Token of an uncommitted baseline that makes the next backup a delta; absent without an index.
   */
  newBaseline?: string;
}
