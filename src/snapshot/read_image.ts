import type { Digest } from "../digest.ts";
import type { ObjectStore } from "../store/mod.ts";
import {
  type ImageDescription,
  joinConfig,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type SmallBlob,
} from "./manifest.ts";
import { requireBlob } from "./require_blob.ts";

/**
 * Reads an image's manifest and config.
 * @throws {DaemonError} DATA_LOSS where one is missing or malformed.
 */
export async function readImage(
  store: ObjectStore,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<ImageDescription> {
  const { manifest: _, config: __, ...image } = await readImageBlobs(store, manifest, signal);
  return image;
}

/** An image and the two blobs that describe it. */
export interface ReadImage extends ImageDescription {
  manifest: SmallBlob;
  config: SmallBlob;
}

/** As {@link readImage}, with the bytes that were read. */
export async function readImageBlobs(
  store: ObjectStore,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<ReadImage> {
  const read = async (digest: Digest) => ({
    digest,
    bytes: await requireBlob(
      digest,
      store.getBlobBytes(digest, MAX_MANIFEST_BYTES, { signal }),
    ),
  });
  const blob = await read(manifest);
  const parsed = parseManifest(blob);
  const config = await read(parsed.config.digest);
  return { manifest: blob, config, ...joinConfig(parsed, config) };
}
