/** Tells which files of an image have content in a blob. */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { displayName } from "../linux/mod.ts";
import { readImage } from "../snapshot/mod.ts";
import type { BlobSource } from "./blob_file.ts";
import { ImageFiles } from "./image_files.ts";

/** The most files that are named. */
const MAX_NAMED = 10;

/**
 * Returns the first files of an image whose content a layer or chunk pack has; none where the image has no
 * index, or one that cannot be read: to find out by its layers they would all have to be read.
 * @throws {DaemonError} UNAVAILABLE and whatever else the store fails with; ABORTED
 */
export async function filesOf(
  source: BlobSource,
  { manifest, blob }: { readonly manifest: Digest; readonly blob: Digest },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  try {
    const { index } = await readImage(source.store, manifest, signal);
    if (!index || index.digest === blob) return [];
    await using image = await ImageFiles.open(source, manifest, signal ? { signal } : {});
    const named: string[] = [];
    for (const { path } of image.filesIn(blob)) {
      if (named.push(displayName(path)) === MAX_NAMED) break;
    }
    return named;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "DATA_LOSS") return [];
    throw error;
  }
}
