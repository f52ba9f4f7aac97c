import { ArchiveError, BLOCK, SparseMapReader } from "../archive/mod.ts";
import type { Extent } from "../extent.ts";
import { readingBlob } from "../image/mod.ts";
import type { Digest } from "../digest.ts";
import type { ContentLocation, ImageEntry } from "./image_tree.ts";
import type { RawLayer } from "./raw_layer.ts";

const CHUNK = 1 << 20;

/** A file's content, read lazily. */
export interface FileContent {
  /** Bytes, holes included. */
  readonly size: number;
  /** The ranges that hold data; absent for a file without holes. */
  readonly extents?: readonly Extent[];
  /** Yields the data, extent after extent, in pieces of at most 4 MiB. @throws {DaemonError} DATA_LOSS */
  data(): Generator<Uint8Array> | AsyncGenerator<Uint8Array>;
}

/** Opens the content of a file. @throws {DaemonError} DATA_LOSS naming the layer */
export function openContent(layer: RawLayer, digest: Digest, file: ImageEntry): FileContent {
  const { content, size } = file;
  if (!content) throw new TypeError(`Cannot read the content of a ${file.type}`);
  return readingBlob(digest, () => {
    const { offset, stored, form } = content;
    if (form === "plain") {
      return { size, data: () => readData(layer, digest, offset, stored) };
    }
    if (form !== "mapped") {
      return { size, extents: form, data: () => readData(layer, digest, offset, stored) };
    }
    const { extents, mapBytes } = readMap(layer, content, size);
    return {
      size,
      extents,
      data: () => readData(layer, digest, offset + mapBytes, stored - mapBytes),
    };
  });
}

/** Yields a file as a program reads it, with zeros for its holes. */
export async function* expanded(content: FileContent): AsyncGenerator<Uint8Array> {
  if (!content.extents) return yield* content.data();
  const data = new ChunkReader(content.data());
  let at = 0;
  for (const { offset, length } of content.extents) {
    yield* zeros(offset - at);
    yield* data.take(length);
    at = offset + length;
  }
  yield* zeros(content.size - at);
}

function* readData(
  layer: RawLayer,
  digest: Digest,
  offset: number,
  length: number,
): Generator<Uint8Array> {
  for (let done = 0; done < length; done += CHUNK) {
    const read: Uint8Array[] = [];
    const count = Math.min(CHUNK, length - done);
    readingBlob(
      digest,
      () => layer.read(offset + done, count, (chunk) => read.push(chunk.slice())),
    );
    yield* read;
  }
}

/** Reads the sparse map that a file's stored bytes begin with. @throws {ArchiveError} */
function readMap(layer: RawLayer, { offset, stored }: ContentLocation, size: number) {
  const map = new SparseMapReader();
  for (let mapBytes = 0; mapBytes < stored;) {
    layer.read(offset + mapBytes, BLOCK, (chunk) => void map.take(chunk));
    mapBytes += BLOCK;
    const extents = map.extents(size);
    if (!extents) continue;
    const data = extents.reduce((sum, { length }) => sum + length, 0);
    if (mapBytes + data === stored) return { extents, mapBytes };
    throw new ArchiveError("malformed", "a sparse file has other data than its map says");
  }
  throw new ArchiveError("malformed", "a sparse file's map does not end");
}

/** Divides chunks of any size by counts of bytes. */
class ChunkReader {
  readonly #chunks: ReturnType<FileContent["data"]>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: ReturnType<FileContent["data"]>) {
    this.#chunks = chunks;
  }

  /** Yields the next `count` bytes. @throws {RangeError} if there are fewer */
  async *take(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) throw new RangeError("a sparse file has less data than its map says");
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }
}

const ZEROS = new Uint8Array(CHUNK);

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= CHUNK) yield ZEROS.subarray(0, Math.min(CHUNK, left));
}
