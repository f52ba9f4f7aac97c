/** Reads folders in OCI's layout, as skopeo, umoci and `store export --oci` write them. */

import { join } from "@std/path";
import * as z from "zod";
import { type Digest, digestOf, hexOf, isDigest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { LayerDescriptor } from "../image/mod.ts";

/** Bounds what a layout can make us read at a time. Bytes. */
const MAX_JSON_BYTES = 4 << 20;
/** The annotation that has a manifest's tag. */
const TAG = "org.opencontainers.image.ref.name";

const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** Matches the media types of layers that are tar archives, compressed or not. */
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer|docker\.image\.rootfs)\.[a-z0-9.]*\btar([+.](gzip|zstd))?$/;

const digest = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "expected a sha256 digest",
);
const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const indexSchema = z.object({ manifests: z.array(descriptor) });
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor) });
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(digest) }) });

/** Returns whether a folder is in OCI's layout. @throws what the file system throws */
export async function isOciLayout(folder: string): Promise<boolean> {
  try {
    return (await Deno.lstat(join(folder, "oci-layout"))).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Returns the layers of an image of a layout, lowest first. Their blobs are not read yet.
 * @param tag which image; the only one unless given
 * @throws {DaemonError} NOT_FOUND where no image has the tag; FAILED_PRECONDITION where there are several and
 *   none was named, or it is of a kind that is no tree of files; DATA_LOSS where a file is damaged
 */
export async function readOciLayout(folder: string, tag?: string): Promise<LayerDescriptor[]> {
  const index = await readJson(join(folder, "index.json"), indexSchema);
  const chosen = chooseManifest(folder, index.manifests, tag);
  const manifest = await readBlob(folder, chosen, manifestSchema);
  const config = await readBlob(folder, manifest.config, configSchema);
  const odd = manifest.layers.find(({ mediaType }) => !LAYER_TYPE.test(mediaType));
  if (odd) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The image in ${folder} has a layer of the type ${odd.mediaType}, which is no tar archive; ` +
        "an image of wsdaemon's moves by `wsdaemon store copy`",
    );
  }
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== manifest.layers.length) {
    throw damaged(folder, `it has ${diffIds.length} diff ids for ${manifest.layers.length} layers`);
  }
  return manifest.layers.map(({ digest, size }, n) => ({ digest, size, diffId: diffIds[n]! }));
}

type Descriptor = z.output<typeof descriptor>;

function chooseManifest(
  folder: string,
  manifests: readonly Descriptor[],
  tag: string | undefined,
): Descriptor {
  const tags = manifests.flatMap(({ annotations }) => annotations?.[TAG] ?? []);
  const meant = tag === undefined
    ? manifests
    : manifests.filter(({ annotations }) => annotations?.[TAG] === tag);
  const has = tags.length === 0 ? "no tags" : `the tags ${tags.join(", ")}`;
  if (meant.length === 0) {
    throw new DaemonError(
      "NOT_FOUND",
      tag === undefined
        ? `There is no image in the layout ${folder}`
        : `The layout ${folder} has no image with the tag ${tag}; it has ${has}`,
    );
  }
  if (meant.length > 1) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The layout ${folder} has ${meant.length} images; name one as ${folder}:TAG (it has ${has})`,
    );
  }
  const [manifest] = meant as [Descriptor];
  if (MANIFEST_TYPES.includes(manifest.mediaType)) return manifest;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `The layout ${folder} has a ${manifest.mediaType}, not an image for one platform; copy the one ` +
      "that is meant to a layout of its own (`skopeo copy --override-os linux …`)",
  );
}

async function readBlob<T>(
  folder: string,
  { digest, size }: { digest: Digest; size: number },
  schema: z.ZodType<T>,
): Promise<T> {
  return await readJson(join(folder, "blobs/sha256", hexOf(digest)), schema, (bytes) => {
    if (bytes.length === size && digestOf(bytes) === digest) return;
    throw damaged(folder, `the blob ${digest} does not have its digest and size`);
  });
}

async function readJson<T>(
  path: string,
  schema: z.ZodType<T>,
  check: (bytes: Uint8Array) => void = () => {},
): Promise<T> {
  const { size, isFile } = await Deno.lstat(path);
  if (!isFile || size > MAX_JSON_BYTES) {
    throw damaged(path, `it is no file of at most ${MAX_JSON_BYTES} bytes`);
  }
  const bytes = await Deno.readFile(path);
  check(bytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged(path, "it is not JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw damaged(path, z.prettifyError(result.error));
}

function damaged(path: string, problem: string): DaemonError {
  return new DaemonError("DATA_LOSS", `The OCI layout ${path} is damaged: ${problem}`);
}
