/** Writes an image as an OCI image layout (OCI image specification 1.1). */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { run } from "../release/run.ts";

/** OCI's names of processors, which are Go's. */
export type OciArch = "amd64" | "arm64";

/** A layer: the folder that holds its files, as they are to lie in the root. */
export interface Layer {
  readonly folder: string;
  /** What `created_by` of the image's history says. */
  readonly madeBy: string;
}

/** An image to write. */
export interface ImageOptions {
  /** Lowest first. */
  readonly layers: readonly Layer[];
  readonly arch: OciArch;
  /** Of the config: Entrypoint, Cmd, Env, …. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** ISO 8601; every file has this time, too, so that the same files give the same digest. */
  readonly created: string;
  /** The tag by which tools find it in the layout. */
  readonly tag: string;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const MEDIA = "application/vnd.oci.image";

/**
 * Writes the layout into an empty folder.
 * @returns the digest of the image's manifest
 */
export async function writeLayout(folder: string, options: ImageOptions): Promise<string> {
  const { layers, arch, config, annotations, created, tag } = options;
  await Deno.mkdir(join(folder, "blobs", "sha256"), { recursive: true });
  const written: { descriptor: Descriptor; diffId: string }[] = [];
  for (const layer of layers) written.push(await writeLayer(folder, layer, created));
  const image = await writeJson(folder, `${MEDIA}.config.v1+json`, {
    created,
    architecture: arch,
    os: "linux",
    config: { ...config, Labels: annotations },
    rootfs: { type: "layers", diff_ids: written.map(({ diffId }) => diffId) },
    history: layers.map(({ madeBy }) => ({ created, created_by: madeBy })),
  });
  const manifest = await writeJson(folder, `${MEDIA}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${MEDIA}.manifest.v1+json`,
    config: image,
    layers: written.map(({ descriptor }) => descriptor),
    annotations,
  });
  const index = {
    schemaVersion: 2,
    mediaType: `${MEDIA}.index.v1+json`,
    manifests: [{
      ...manifest,
      platform: { architecture: arch, os: "linux" },
      annotations: { "org.opencontainers.image.ref.name": tag },
    }],
  };
  await Deno.writeTextFile(join(folder, "index.json"), JSON.stringify(index));
  await Deno.writeTextFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return manifest.digest;
}

async function writeLayer(folder: string, { folder: root }: Layer, created: string) {
  const archive = join(folder, "layer.tar");
  await makeArchive(root, archive, created);
  const bytes = await Deno.readFile(archive);
  await Deno.remove(archive);
  const diffId = digestOf(bytes);
  const descriptor = await writeBlob(folder, `${MEDIA}.layer.v1.tar+gzip`, gzipSync(bytes));
  return { descriptor, diffId };
}

/**
 * Writes an archive of a folder that depends on nothing but names, modes and contents.
 * @param time ISO 8601, of every entry
 */
export async function makeArchive(folder: string, to: string, time: string): Promise<void> {
  await run("tar", [
    "--create",
    "--format=gnu",
    "--sort=name",
    `--mtime=${time}`,
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    `--file=${to}`,
    "-C",
    folder,
    ".",
  ], { env: { LC_ALL: "C" } });
}

async function writeJson(folder: string, mediaType: string, value: unknown): Promise<Descriptor> {
  return await writeBlob(folder, mediaType, new TextEncoder().encode(JSON.stringify(value)));
}

async function writeBlob(
  folder: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const digest = digestOf(bytes);
  await Deno.writeFile(join(folder, "blobs", "sha256", digest.slice(7)), bytes);
  return { mediaType, digest, size: bytes.length };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
