/** Reads files that are lists of chunks. */

import { createHash } from "node:crypto";
import { ArchiveError, SparseMapReader } from "../archive/mod.ts";
import { DaemonError } from "../errors.ts";
import type { Extent } from "../extent.ts";
import {
  type ChunkList,
  dataLoss,
  type LayerInfo,
  LayerReader,
  readingBlob,
} from "../image/mod.ts";
import { displayName, sameName } from "../linux/mod.ts";
import { BlobFile, type BlobSource } from "./blob_file.ts";
import type { FileContent } from "./file_content.ts";
import type { ImageEntry } from "./image_tree.ts";

/** Packs that are kept open; a file that has changed often has neighbouring chunks in several. */
const MAX_OPEN = 8;

interface OpenPack {
  readonly reader: LayerReader;
  close(): Promise<void>;
}

/** The chunk packs of an image. */
export class ChunkPacks implements AsyncDisposable {
  readonly #source: BlobSource;
  readonly #layers: readonly LayerInfo[];
  readonly #signal: AbortSignal | undefined;
  /** By their numbers; the one that was used last comes last. */
  readonly #open = new Map<number, OpenPack>();

  /** @param layers the table of the index */
  constructor(source: BlobSource, layers: readonly LayerInfo[], signal: AbortSignal | undefined) {
    this.#source = source;
    this.#layers = layers;
    this.#signal = signal;
  }

  /**
   * Opens the content of a file.
   * @throws {DaemonError} DATA_LOSS naming the pack and the file; ABORTED
   */
  async content({ path, size, content }: ImageEntry): Promise<FileContent> {
    const { chunks, form } = content!;
    const list = chunks!;
    const data = (skipped: number) => this.#data(list, path, skipped);
    if (form === "plain") return { size, data: () => data(0) };
    const { extents, mapBytes } = await this.#map(list, path, size);
    return { size, extents, data: () => data(mapBytes) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pack of this.#open.values()) await pack.close();
    this.#open.clear();
  }

  async *#data(list: ChunkList, path: Uint8Array, skipped: number): AsyncGenerator<Uint8Array> {
    let rest = skipped;
    for (let n = 0; n < list.count; n++) {
      const length = list.length(n);
      if (rest < length) yield (await this.#read(list, n, path)).subarray(rest);
      rest = Math.max(0, rest - length);
    }
  }

  /** Reads the sparse map that a stream begins with. */
  async #map(
    list: ChunkList,
    path: Uint8Array,
    size: number,
  ): Promise<{ extents: Extent[]; mapBytes: number }> {
    const map = new SparseMapReader();
    let mapBytes = 0;
    for (let n = 0; n < list.count; n++) {
      const bytes = await this.#read(list, n, path);
      const { digest } = this.#layers[list.pack(n)]!;
      const extents = readingBlob(digest, () => {
        mapBytes += map.take(bytes);
        return map.extents(size);
      });
      if (extents) return { extents, mapBytes };
    }
    throw new DaemonError(
      "DATA_LOSS",
      `The map of the sparse file ${displayName(path)} does not end`,
    );
  }

  /** Reads a chunk, checked against its digest; valid until the next one is read. */
  async #read(list: ChunkList, n: number, path: Uint8Array): Promise<Uint8Array> {
    const pack = this.#layers[list.pack(n)]!;
    const [offset, length] = [list.offset(n), list.length(n)];
    try {
      const { reader } = await this.#pack(list.pack(n));
      return readingBlob(pack.digest, () => {
        const bytes = new Uint8Array(length);
        let at = 0;
        reader.read(offset, length, (piece) => {
          bytes.set(piece, at);
          at += piece.length;
        });
        if (sameName(createHash("sha256").update(bytes).digest(), list.digest(n))) return bytes;
        throw new ArchiveError("malformed", `its bytes from ${offset} on have another digest`);
      });
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
      throw dataLoss(
        pack.digest,
        `the file ${displayName(path)} has a chunk there: ${error.message}`,
      );
    }
  }

  async #pack(number: number): Promise<OpenPack> {
    const known = this.#open.get(number);
    this.#open.delete(number);
    const pack = known ?? await this.#hold(number);
    this.#open.set(number, pack);
    if (this.#open.size > MAX_OPEN) {
      const [oldest, { close }] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      await close();
    }
    return pack;
  }

  async #hold(number: number): Promise<OpenPack> {
    const { digest, size, rawSize } = this.#layers[number]!;
    await using stack = new AsyncDisposableStack();
    const signal = this.#signal;
    const { file } = stack.use(await BlobFile.hold(this.#source, { digest, size }, { signal }));
    const reader = stack.use(readingBlob(digest, () => new LayerReader(file, size, rawSize)));
    const rest = stack.move();
    return { reader, close: () => rest.disposeAsync() };
  }
}
