/**
 * Writes and reads OCI image manifests and configs.
 *
 * Formats: OCI image specification v1.1, "Image Manifest" and "Image Configuration". Both are a
 * function of the content and its lineage (no dates), so that an unchanged tree gives the same manifest.
 */

import * as z from "zod";
import type { Excluded, LayerDescriptor } from "../content/mod.ts";
import { type Digest, digestOf, isDigest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { excludedLabels, parseExcluded } from "./excluded_label.ts";
import { type Lineage, lineageLabels, parseLineage } from "./lineage.ts";

/** Media type of an image's manifest (OCI image specification). */
export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** Media type of an image's configuration. */
export const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
/** Media type of a layer. */
export const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd";
/** The index stands beside the image: a tool that copies the image may drop it. */
const INDEX_DIGEST = "dev.wsdaemon.index.digest";
const INDEX_SIZE = "dev.wsdaemon.index.size";

/** Bounds what a store can make us read; 10,000 layers fit. Bytes. */
export const MAX_MANIFEST_BYTES = 4 << 20;

/** A blob in memory, with its name. */
export interface SmallBlob {
  digest: Digest;
  bytes: Uint8Array;
}

/** An image as it is stored. */
export interface ImageDescription {
  layers: LayerDescriptor[];
  index?: { digest: Digest; size: number };
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

/** A manifest whose config was not read yet. */
export interface ParsedManifest {
  config: { digest: Digest; size: number };
  layers: { digest: Digest; size: number }[];
  index?: { digest: Digest; size: number };
}

/** Encodes the manifest and config of an image. */
export function describeImage(image: ImageDescription): { manifest: SmallBlob; config: SmallBlob } {
  const config = jsonBlob({
    architecture: "unknown",
    os: "linux",
    config: labelled({
      ...(image.lineage ? lineageLabels(image.lineage) : {}),
      ...excludedLabels(image.excluded),
    }),
    rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.diffId) },
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: config.digest, size: config.bytes.length },
    layers: image.layers.map((layer) => ({
      mediaType: LAYER_TYPE,
      digest: layer.digest,
      size: layer.size,
    })),
    ...(image.index
      ? {
        annotations: {
          [INDEX_DIGEST]: image.index.digest,
          [INDEX_SIZE]: String(image.index.size),
        },
      }
      : {}),
  });
  return { manifest, config };
}

/**
 * Parses a manifest, whose layers must be of the one type that images of ours have.
 * @throws {DaemonError} DATA_LOSS naming the blob
 */
export function parseManifest(blob: SmallBlob): ParsedManifest {
  const manifest = parseJson(blob, manifestSchema, "manifest");
  for (const layer of manifest.layers) {
    if (layer.mediaType !== LAYER_TYPE) {
      throw malformed(blob.digest, "manifest", `layer ${layer.digest} is a ${layer.mediaType}`);
    }
  }
  const index = parseIndexAnnotation(manifest.annotations ?? {}, blob.digest);
  return {
    config: { digest: manifest.config.digest, size: manifest.config.size },
    layers: manifest.layers.map(({ digest, size }) => ({ digest, size })),
    ...(index ? { index } : {}),
  };
}

function parseIndexAnnotation(
  annotations: Record<string, string>,
  blob: Digest,
): { digest: Digest; size: number } | undefined {
  const digest = annotations[INDEX_DIGEST];
  if (digest === undefined) return undefined;
  const size = Number(annotations[INDEX_SIZE]);
  if (!isDigest(digest) || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(blob, "manifest", "its index annotations are not a digest and a size");
  }
  return { digest, size };
}

/** Joins a manifest's layers with the config's diff ids. @throws {DaemonError} DATA_LOSS. */
export function joinConfig(manifest: ParsedManifest, config: SmallBlob): ImageDescription {
  const { rootfs, config: { Labels = {} } = {} } = parseJson(config, configSchema, "config");
  if (rootfs.diff_ids.length !== manifest.layers.length) {
    throw malformed(
      config.digest,
      "config",
      `it has ${rootfs.diff_ids.length} diff ids for ${manifest.layers.length} layers`,
    );
  }
  const lineage = parseLineage(Labels);
  const excluded = parseExcluded(Labels);
  return {
    layers: manifest.layers.map((layer, n) => ({ ...layer, diffId: rootfs.diff_ids[n]! })),
    ...(manifest.index ? { index: manifest.index } : {}),
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
