/**
 * Writes and reads OCI image manifests and configs.
 *
 * A **plain** image is an OCI image like any other. A **native** one has content that no tool finds by its
 * layers alone: files whose place in a layer belongs to another path, or that are lists of chunks. Its
 * config has a media type of its own, so that other tools refuse it, and `layers` name all its blobs, so
 * that those which copy it carry everything.
 *
 * Formats: OCI image specification v1.1, "Image Manifest" and "Image Configuration". Both are a
 * function of the content and its lineage (no dates), so that an unchanged tree gives the same manifest.
 */

import * as z from "zod";
import type { Excluded, LayerDescriptor } from "../content/mod.ts";
import { type Digest, digestOf, isDigest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { type BlobId, indexBlobs, type IndexChain, MAX_PATCHES, NO_DIFF_ID } from "../image/mod.ts";
import { excludedLabels, parseExcluded } from "./excluded_label.ts";
import { type Lineage, lineageLabels, parseLineage } from "./lineage.ts";

/** Media type of an image's manifest (OCI image specification). */
export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** Media type of an image's configuration. */
export const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
/** Media type of a layer. */
export const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd";
/** Media type of a native image's configuration. */
export const NATIVE_CONFIG_TYPE = "application/vnd.wsdaemon.image.config.v1+json";
/** Media type of a chunk pack; native images only. */
export const CHUNKS_TYPE = "application/vnd.wsdaemon.chunks.v1+zstd";
/** Media type of an index, where a native image lists it beside its layers. */
export const INDEX_TYPE = "application/vnd.wsdaemon.index.v2+zstd";
/** The index of a plain image stands beside it: a tool that copies the image may drop it. */
const INDEX_DIGEST = "dev.wsdaemon.index.digest";
const INDEX_SIZE = "dev.wsdaemon.index.size";
/** JSON: digests and sizes of what an index that is a patch has below it, the next one first. */
const INDEX_BELOW = "dev.wsdaemon.index.below";

/** Bounds what a store can make us read; 10,000 layers fit. Bytes. */
export const MAX_MANIFEST_BYTES = 4 << 20;

/** A blob in memory, with its name. */
export interface SmallBlob {
  digest: Digest;
  bytes: Uint8Array;
}

/** A layer or a chunk pack, which has no diff id. */
export interface LayerOfImage extends LayerDescriptor {
  isChunks?: boolean;
}

/** An image as it is stored. */
export interface ImageDescription {
  /** In the order of the index's table, the metadata layer last. */
  layers: LayerOfImage[];
  index?: IndexChain;
  /** Whether the layers alone do not give its tree, so that it must have an index; absent if they do. */
  isNative?: boolean;
  /** Absent where it is unknown. */
  lineage?: Lineage;
  /** What was left out of it; absent for nothing, and where that is unknown. */
  excluded?: Excluded;
}

const digest = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "must be a sha256 digest",
);
const size = z.int().nonnegative();
const descriptor = z.object({ mediaType: z.string(), digest, size });
const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  config: descriptor,
  layers: z.array(descriptor),
  annotations: z.record(z.string(), z.string()).optional(),
});
const configSchema = z.object({
  // Whatever another tool has put there does not make an image unreadable.
  config: z.object({ Labels: z.record(z.string(), z.string()).optional() }).optional()
    .catch(undefined),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(digest) }),
});

/** Returns what a reference says of an image; see `ImageReference.format`. */
export function formatOf(
  { index, isNative }: Pick<ImageDescription, "index" | "isNative">,
): { format?: 2 } {
  return isNative || index?.below ? { format: 2 } : {};
}

/** A manifest whose config was not read yet. */
export interface ParsedManifest {
  config: { digest: Digest; size: number };
  layers: { digest: Digest; size: number; isChunks?: boolean }[];
  index?: IndexChain;
  /** See {@link ImageDescription.isNative}. */
  isNative?: boolean;
}

/**
 * Encodes the manifest and config of an image.
 * @throws {DaemonError} RESOURCE_EXHAUSTED where one is longer than what is read of it
 */
export function describeImage(image: ImageDescription): { manifest: SmallBlob; config: SmallBlob } {
  const { layers, index, isNative } = image;
  const tars = layers.filter(({ isChunks }) => !isChunks);
  const config = jsonBlob({
    architecture: "unknown",
    os: "linux",
    config: labelled({
      ...(image.lineage ? lineageLabels(image.lineage) : {}),
      ...excludedLabels(image.excluded),
    }),
    rootfs: { type: "layers", diff_ids: tars.map((layer) => layer.diffId) },
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: isNative ? NATIVE_CONFIG_TYPE : CONFIG_TYPE,
      digest: config.digest,
      size: config.bytes.length,
    },
    layers: [
      ...layers.map(({ digest, size, isChunks }) => ({
        mediaType: isChunks ? CHUNKS_TYPE : LAYER_TYPE,
        digest,
        size,
      })),
      ...(isNative && index ? indexBlobs(index) : []).map((blob) => ({
        mediaType: INDEX_TYPE,
        ...blob,
      })),
    ],
    ...(index ? { annotations: indexAnnotations(index) } : {}),
  });
  for (const { bytes } of [manifest, config]) {
    if (bytes.length <= MAX_MANIFEST_BYTES) continue;
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      `The image has ${layers.length} layers and chunk packs, more than a manifest of ` +
        `${MAX_MANIFEST_BYTES} bytes can name; divide the content between several workspaces`,
    );
  }
  return { manifest, config };
}

function indexAnnotations(index: IndexChain): Record<string, string> {
  const [{ digest, size }, ...below] = indexBlobs(index) as [BlobId, ...BlobId[]];
  return {
    [INDEX_DIGEST]: digest,
    [INDEX_SIZE]: String(size),
    ...(index.below ? { [INDEX_BELOW]: JSON.stringify(below) } : {}),
  };
}

/**
 * Parses a manifest, whose layers must be of the types that images of ours have.
 * @throws {DaemonError} DATA_LOSS naming the blob
 */
export function parseManifest(blob: SmallBlob): ParsedManifest {
  const { config, layers, annotations = {} } = parseJson(blob, manifestSchema, "manifest");
  const isNative = config.mediaType === NATIVE_CONFIG_TYPE;
  const types = isNative ? [LAYER_TYPE, CHUNKS_TYPE, INDEX_TYPE] : [LAYER_TYPE];
  for (const { mediaType, digest } of layers) {
    if (types.includes(mediaType)) continue;
    throw malformed(blob.digest, "manifest", `layer ${digest} is a ${mediaType}`);
  }
  const index = parseIndexAnnotation(annotations, blob.digest);
  const listed = layers.filter(({ mediaType }) => mediaType === INDEX_TYPE);
  const named = index ? indexBlobs(index) : [];
  const isListed = listed.length > 0 && listed.length === named.length &&
    listed.every(({ digest, size }, n) => digest === named[n]!.digest && size === named[n]!.size);
  if (isNative && !isListed) {
    throw malformed(blob.digest, "manifest", "its layers and its annotations name other indexes");
  }
  return {
    config: { digest: config.digest, size: config.size },
    layers: layers.filter(({ mediaType }) => mediaType !== INDEX_TYPE)
      .map(({ digest, size, mediaType }) => ({
        digest,
        size,
        ...(mediaType === CHUNKS_TYPE ? { isChunks: true } : {}),
      })),
    ...(index ? { index } : {}),
    ...(isNative ? { isNative } : {}),
  };
}

function parseIndexAnnotation(
  annotations: Record<string, string>,
  blob: Digest,
): IndexChain | undefined {
  const digest = annotations[INDEX_DIGEST];
  if (digest === undefined) return undefined;
  const size = Number(annotations[INDEX_SIZE]);
  if (!isDigest(digest) || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(blob, "manifest", "its index annotations are not a digest and a size");
  }
  const below = annotations[INDEX_BELOW];
  return { digest, size, ...(below === undefined ? {} : { below: parseBelow(below, blob) }) };
}

const belowSchema = z.array(z.object({ digest, size })).min(1).max(MAX_PATCHES);

function parseBelow(text: string, blob: Digest): BlobId[] {
  try {
    return belowSchema.parse(JSON.parse(text));
  } catch {
    const what = `1 to ${MAX_PATCHES} digests and sizes`;
    throw malformed(blob, "manifest", `its index annotations do not name ${what} below the index`);
  }
}

/** Joins a manifest's layers with the config's diff ids. @throws {DaemonError} DATA_LOSS. */
export function joinConfig(manifest: ParsedManifest, config: SmallBlob): ImageDescription {
  const { rootfs, config: { Labels = {} } = {} } = parseJson(config, configSchema, "config");
  const tars = manifest.layers.filter(({ isChunks }) => !isChunks);
  if (rootfs.diff_ids.length !== tars.length) {
    throw malformed(
      config.digest,
      "config",
      `it has ${rootfs.diff_ids.length} diff ids for ${tars.length} layers`,
    );
  }
  const diffIds = new Map(tars.map((layer, n) => [layer, rootfs.diff_ids[n]!]));
  const { index, isNative } = manifest;
  const lineage = parseLineage(Labels);
  const excluded = parseExcluded(Labels);
  return {
    layers: manifest.layers.map((layer) => ({
      ...layer,
      diffId: diffIds.get(layer) ?? NO_DIFF_ID,
    })),
    ...(index ? { index } : {}),
    ...(isNative ? { isNative } : {}),
    ...(lineage ? { lineage } : {}),
    ...(excluded ? { excluded } : {}),
  };
}

function labelled(labels: Record<string, string>) {
  return Object.keys(labels).length > 0 ? { Labels: labels } : {};
}

function jsonBlob(value: unknown): SmallBlob {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { digest: digestOf(bytes), bytes };
}

function parseJson<T>(blob: SmallBlob, schema: z.ZodType<T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(blob.bytes));
  } catch {
    throw malformed(blob.digest, what, "it is not JSON");
  }
  const result = schema.safeParse(value);
  if (!result.success) throw malformed(blob.digest, what, z.prettifyError(result.error));
  return result.data;
}

function malformed(digest: Digest, what: string, problem: string): DaemonError {
  return new DaemonError("DATA_LOSS", `The ${what} ${digest} is malformed: ${problem}`);
}
