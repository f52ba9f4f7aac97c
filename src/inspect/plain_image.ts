/** Writes the tree of an image as a plain one: layers of its own, which need no index. */

import { createHash } from "node:crypto";
import { dirname, join } from "@std/path";
import { FrameWriter } from "../archive/mod.ts";
import { hexOf, sha256Digest } from "../digest.ts";
import { type LayerDescriptor, tarEntry } from "../image/mod.ts";
import { yieldToEventLoop } from "./blob_file.ts";
import type { ImageFiles } from "./image_files.ts";
import type { ImageEntry } from "./image_tree.ts";
import { type MemberSize, TarMembers, tarTypeOf } from "./tar_export.ts";

/** Uncompressed bytes after which a layer is closed; one large file may exceed that. */
const LAYER_BYTES = 128 << 20;
/** Entries between two yields to the event loop, where signals are delivered. */
const YIELD_INTERVAL = 500;

/** Options of {@link writePlainLayers}. */
export interface PlainLayersOptions {
  /** Called after each entry of a file. @param bytes of its content */
  onFile(bytes: number): void;
  signal?: AbortSignal | undefined;
}

/**
 * Writes an image's files, and then all else, as layers into a folder, each under the digits of its digest.
 * @returns the layers, lowest first
 * @throws {DaemonError} DATA_LOSS naming the blob that is damaged; ABORTED; Deno's own errors
 */
export async function writePlainLayers(
  image: ImageFiles,
  folder: string,
  { onFile, signal }: PlainLayersOptions,
): Promise<LayerDescriptor[]> {
  const layers: LayerDescriptor[] = [];
  const directories: ImageEntry[] = [];
  const others: ImageEntry[] = [];
  let data: LayerFile | undefined;
  try {
    let entries = 0;
    for (const entry of image.tree.entries()) {
      if (++entries % YIELD_INTERVAL === 0) await yieldToEventLoop(signal);
      if (entry.type === "directory") directories.push(entry);
      else if (entry.type !== "file") others.push(entry);
      else {
        data ??= await LayerFile.create(image, folder, signal);
        await data.add(entry);
        onFile(entry.size);
        if (data.rawSize < LAYER_BYTES) continue;
        layers.push(await data.seal());
        data[Symbol.dispose]();
        data = undefined;
      }
    }
    if (data) layers.push(await data.seal());
  } finally {
    data?.[Symbol.dispose]();
  }
  using metadata = await LayerFile.create(image, folder, signal);
  // A directory comes after all that is in it, so that nothing changes its time any more.
  for (const entry of [...others, ...directories.reverse()]) await metadata.add(entry);
  layers.push(await metadata.seal());
  return layers;
}

/** A layer that is being written. */
class LayerFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #members: TarMembers;
  readonly #content = createHash("sha256");
  /** Compressed, and still to be written. */
  readonly #compressed: Uint8Array[] = [];
  readonly #frames = new FrameWriter((bytes) => this.#compressed.push(bytes.slice()));

  private constructor(path: string, file: Deno.FsFile, members: TarMembers) {
    this.#path = path;
    this.#file = file;
    this.#members = members;
  }

  static async create(
    image: ImageFiles,
    folder: string,
    signal: AbortSignal | undefined,
  ): Promise<LayerFile> {
    const path = join(folder, `layer-${crypto.randomUUID()}`);
    const file = await Deno.open(path, { write: true, createNew: true });
    return new LayerFile(path, file, new TarMembers(image, headerOf, signal));
  }

  /** Uncompressed bytes so far, but for up to 1 MiB. */
  get rawSize(): number {
    return this.#frames.rawSize;
  }

  async add(entry: ImageEntry): Promise<void> {
    for await (const chunk of this.#members.add(entry)) await this.#write(chunk);
  }

  /** Completes the layer. */
  async seal(): Promise<LayerDescriptor> {
    for (const chunk of this.#members.end()) await this.#write(chunk);
    const { digest, size } = this.#frames.seal();
    await this.#flush();
    await Deno.rename(this.#path, join(dirname(this.#path), hexOf(digest)));
    return { digest, size, diffId: sha256Digest(this.#content.digest("hex")) };
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#content.update(chunk);
    this.#frames.write(chunk);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    for (const bytes of this.#compressed.splice(0)) {
      for (let rest = bytes; rest.length > 0;) {
        rest = rest.subarray(await this.#file.write(rest));
      }
    }
  }
}

/** Returns the header of an entry of a layer, where names that would be whiteouts are escaped. */
function headerOf(entry: ImageEntry, size: MemberSize) {
  const { path, link, mode, uid, gid, mtime, device, xattrs, type } = entry;
  return tarEntry({
    ...{ type: tarTypeOf(entry), path, link, mode, uid, gid, mtime, device, ...size },
    // A hard link's attributes are those of the file that it names.
    xattrs: type === "hardlink" ? undefined : xattrs,
  });
}
