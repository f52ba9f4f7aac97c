/**
 * Says which blobs an image consists of. It is the one place that does: what collection keeps, what
 * verification reads, what a copy carries and what sizes count is this list.
 */

import type { Digest } from "../digest.ts";
import { indexBlobs } from "../image/mod.ts";
import type { ParsedManifest } from "./manifest.ts";

/** A blob that an image needs. */
export interface ImageBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** The part of a manifest that names blobs of content. */
export type ContentOfImage = Pick<ParsedManifest, "layers" | "index">;

/**
 * Returns the blobs that content Workers read, each once, whatever its size: all but the manifest itself and
 * the config.
 */
export function contentBlobsOf({ layers, index }: ContentOfImage): ImageBlob[] {
  const blobs = [...layers, ...(index ? indexBlobs(index) : [])];
  return [...new Map(blobs.map(({ digest, size }) => [digest, { digest, size }])).values()];
}

/**
 * Returns every blob of an image, each once and the manifest last: who stores them in this order has all that
 * a blob needs before the blob.
 * @param manifest with its own digest and size
 */
export function blobsOf(manifest: ParsedManifest & ImageBlob): ImageBlob[] {
  const { digest, size, config } = manifest;
  const blobs = [...contentBlobsOf(manifest), config, { digest, size }];
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}
