/**
 * Exports an image as a folder in OCI's layout, for skopeo, umoci and their like (OCI image
 * specification v1.1, "Image Layout"). The blobs of a plain image are copied as they are, our index among
 * them; a native one is made into a plain one of the same tree.
 */

import { join } from "@std/path";
import { type Digest, digestOf, hexOf } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { removeIfThere } from "../remove_if_there.ts";
import { BlobFile, type BlobSource } from "./blob_file.ts";
import { copyBlob } from "./copy_blob.ts";
import { ImageFiles } from "./image_files.ts";
import { writePlainLayers } from "./plain_image.ts";
import type { BlobId } from "../image/mod.ts";
import {
  contentBlobsOf,
  describeImage,
  MANIFEST_TYPE,
  type ReadImage,
  readImageBlobs,
} from "../snapshot/mod.ts";

/** The name by which other tools find the image in the layout. */
export const OCI_TAG = "latest";

const BLOBS = "blobs/sha256";

/** Options of {@link exportOci}. */
export interface OciExportOptions {
  /** Called whenever bytes were copied, with the number so far and in all. */
  onProgress?(done: { bytes: number; ofBytes: number }): void;
  signal?: AbortSignal | undefined;
}

/**
 * Writes the image with this manifest to `folder`, which must be empty or not there; after a failure
 * it is as it was.
 * @returns how much was copied
 * @throws {DaemonError} ALREADY_EXISTS, DATA_LOSS naming the blob, ABORTED; Deno's own errors
 */
export async function exportOci(
  source: BlobSource,
  manifest: Digest,
  folder: string,
  options: OciExportOptions = {},
): Promise<{ blobs: number; bytes: number }> {
  const isOurs = await makeEmptyFolder(folder);
  try {
    return await write(source, manifest, folder, options);
  } catch (error) {
    if (isOurs) await Deno.remove(folder, { recursive: true });
    else for (const name of CONTENTS) await removeIfThere(join(folder, name), { recursive: true });
    throw error;
  }
}

const CONTENTS = ["blobs", "index.json", "oci-layout"];

async function write(
  source: BlobSource,
  digest: Digest,
  folder: string,
  options: OciExportOptions,
): Promise<{ blobs: number; bytes: number }> {
  const target = join(folder, BLOBS);
  await Deno.mkdir(target, { recursive: true });
  const image = await readImageBlobs(source.store, digest, options.signal);
  const { large, manifest, config } = image.isNative
    ? await writePlain(source, image, target, options)
    : { ...image, large: await copyContent(source, image, target, options) };
  for (const { digest, bytes } of [manifest, config]) {
    await Deno.writeFile(join(target, hexOf(digest)), bytes, { createNew: true });
  }
  await writeIndex(folder, manifest.bytes);
  const small = manifest.bytes.length + config.bytes.length;
  return { blobs: large.length + 2, bytes: large.reduce((sum, { size }) => sum + size, small) };
}

/** Copies the blobs of content. */
async function copyContent(
  source: BlobSource,
  image: ReadImage,
  target: string,
  { onProgress, signal }: OciExportOptions,
): Promise<readonly BlobId[]> {
  const large = contentBlobsOf(image);
  const progress = { bytes: 0, ofBytes: large.reduce((sum, { size }) => sum + size, 0) };
  for (const { digest, size } of large) {
    await using blob = await BlobFile.hold(source, { digest, size }, { signal });
    await copyBlob(blob.file, digest, join(target, hexOf(digest)), (count) => {
      signal?.throwIfAborted();
      progress.bytes += count;
      onProgress?.({ ...progress });
    });
  }
  return large;
}

/** Writes the tree of a native image as layers, and describes the plain image that these are. */
async function writePlain(
  source: BlobSource,
  { manifest, lineage, excluded }: ReadImage,
  target: string,
  { onProgress, signal }: OciExportOptions,
) {
  await using files = await ImageFiles.open(source, manifest.digest, signal ? { signal } : {});
  const progress = { bytes: 0, ofBytes: 0 };
  for (const { type, size } of files.tree.entries()) if (type === "file") progress.ofBytes += size;
  const layers = await writePlainLayers(files, target, {
    signal,
    onFile(bytes) {
      progress.bytes += bytes;
      onProgress?.({ ...progress });
    },
  });
  const said = { ...(lineage ? { lineage } : {}), ...(excluded ? { excluded } : {}) };
  return { large: layers, ...describeImage({ layers, ...said }) };
}

/** Writes `index.json`, as the last file: until then the folder is no layout. */
async function writeIndex(folder: string, manifest: Uint8Array): Promise<void> {
  const descriptor = {
    mediaType: MANIFEST_TYPE,
    digest: digestOf(manifest),
    size: manifest.length,
    annotations: { "org.opencontainers.image.ref.name": OCI_TAG },
  };
  await Deno.writeTextFile(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
  );
  await Deno.writeTextFile(join(folder, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
}

/** Makes the folder unless it is there and empty. @returns whether it was made */
async function makeEmptyFolder(folder: string): Promise<boolean> {
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const isEmpty = (await Deno.stat(folder)).isDirectory && Deno.readDirSync(folder).next().done;
  if (isEmpty) return false;
  throw new DaemonError(
    "ALREADY_EXISTS",
    `Cannot export to ${folder}: it must be an empty folder or not be there`,
  );
}
