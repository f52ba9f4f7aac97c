import { ArchiveError, decompress, MAX_OWN_EXTENSION_BYTES, TarReader } from "../archive/mod.ts";
import {
  type BlobId,
  checkLayersOfIndex,
  type ChunkList,
  dataLoss,
  indexBlobs,
  type LayerInfo,
  readIndex,
  readingBlob,
} from "../image/mod.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { BlobFile, type BlobSource, yieldToEventLoop } from "./blob_file.ts";
import { ChunkPacks } from "./chunked_content.ts";
import { type FileContent, openContent } from "./file_content.ts";
import { type ImageDescription, readImage } from "../snapshot/mod.ts";
import type { ImageEntry, ImageTree } from "./image_tree.ts";
import { IndexTree } from "./index_tree.ts";
import { LayerTree } from "./layer_tree.ts";
import { openRawLayer, type RawLayer } from "./raw_layer.ts";

/** Options of {@link ImageFiles.open}. */
export interface ImageFilesOptions {
  signal?: AbortSignal;
  /** Called where the index of a plain image is damaged and the layers are read instead. */
  onDamagedIndex?(error: DaemonError): void;
}

interface OpenLayer {
  digest: Digest;
  raw: RawLayer;
}

/** An image that can be looked into. Disposing of it releases the blobs that it holds. */
export class ImageFiles implements AsyncDisposable {
  readonly #source: BlobSource;
  /** By the numbers that the tree gives them. */
  readonly #layers: readonly BlobId[];
  readonly #signal: AbortSignal | undefined;
  readonly #stack = new AsyncDisposableStack();
  readonly #open = new Map<number, Promise<OpenLayer>>();
  readonly #packs: ChunkPacks;

  private constructor(
    source: BlobSource,
    { layers, table = [] }: { layers: readonly BlobId[]; table?: readonly LayerInfo[] },
    readonly tree: ImageTree,
    signal: AbortSignal | undefined,
  ) {
    this.#packs = this.#stack.use(new ChunkPacks(source, table, signal));
    this.#source = source;
    this.#layers = layers;
    this.#signal = signal;
  }

  /** Opens an image. @throws {DaemonError} DATA_LOSS naming what is missing or damaged; ABORTED */
  static async open(
    source: BlobSource,
    manifest: Digest,
    options: ImageFilesOptions = {},
  ): Promise<ImageFiles> {
    const { signal } = options;
    const image = await readImage(source.store, manifest, signal);
    const byIndex = await treeByIndex(source, image, options);
    if (byIndex) {
      const { tree, layers } = byIndex;
      return new ImageFiles(source, { layers, table: layers }, tree, signal);
    }
    const tree = await treeByLayers(source, image, signal);
    return new ImageFiles(source, image, tree, signal);
  }

  /** Opens the content of a file of the tree. @throws {DaemonError} DATA_LOSS naming the layer; ABORTED */
  async content(file: ImageEntry): Promise<FileContent> {
    if (!file.content) throw new TypeError(`Cannot read the content of a ${file.type}`);
    const { layer, chunks } = file.content;
    if (chunks) return await this.#packs.content(file);
    if (!this.#open.has(layer)) this.#open.set(layer, this.#openLayer(layer));
    const { raw, digest } = await this.#open.get(layer)!;
    return openContent(raw, digest, file);
  }

  /** Yields the files that have content in a layer or chunk pack. */
  *filesIn(digest: Digest): Generator<ImageEntry> {
    const isIn = (number: number) => this.#layers[number]!.digest === digest;
    for (const entry of this.tree.entries()) {
      if (!entry.content) continue;
      const { layer, chunks } = entry.content;
      if (chunks ? hasChunkIn(chunks, isIn) : isIn(layer)) yield entry;
    }
  }

  async #openLayer(number: number): Promise<OpenLayer> {
    const layer = this.#layers[number]!;
    const signal = this.#signal;
    const blob = this.#stack.use(await BlobFile.hold(this.#source, layer, { signal }));
    return await readingLayer(layer.digest, async () => ({
      digest: layer.digest,
      raw: await openRawLayer(blob, this.#source.spool, this.#stack, signal),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function hasChunkIn(chunks: ChunkList, isIn: (pack: number) => boolean): boolean {
  for (let n = 0; n < chunks.count; n++) if (isIn(chunks.pack(n))) return true;
  return false;
}

async function treeByIndex(
  source: BlobSource,
  image: ImageDescription,
  { signal, onDamagedIndex }: ImageFilesOptions,
): Promise<{ tree: ImageTree; layers: readonly LayerInfo[] } | undefined> {
  const { index, layers, isNative } = image;
  if (!index) return undefined;
  try {
    await using blobs = new AsyncDisposableStack();
    const chain = [];
    for (const blob of indexBlobs(index)) {
      const { file } = blobs.use(await BlobFile.hold(source, blob, { signal }));
      chain.push({ file, blob });
    }
    const loaded = readIndex(chain);
    const table = loaded.header.layers;
    checkLayersOfIndex(index.digest, table, layers);
    return { tree: readingBlob(index.digest, () => new IndexTree(loaded)), layers: table };
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
    // The layers of a native image do not give its tree.
    if (isNative) throw error;
    onDamagedIndex?.(error);
    return undefined;
  }
}

async function treeByLayers(
  source: BlobSource,
  { layers }: ImageDescription,
  signal: AbortSignal | undefined,
): Promise<ImageTree> {
  const tree = new LayerTree();
  for (const layer of layers) {
    await using blob = await BlobFile.hold(source, layer, { signal });
    await readingLayer(layer.digest, async () => {
      const bytes = await decompress(blob.file, "zstd");
      tree.apply(new TarReader(bytes, { maxExtensionBytes: MAX_OWN_EXTENSION_BYTES }));
    });
    await yieldToEventLoop(signal);
  }
  return tree;
}

/** Runs `read`, and reports what it finds malformed as damage of the layer. */
async function readingLayer<T>(digest: Digest, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const isFault = error instanceof ArchiveError || error instanceof RangeError ||
      error instanceof DaemonError && error.code === "FAILED_PRECONDITION";
    if (!isFault) throw error;
    throw dataLoss(digest, error.message, error);
  }
}
