import { ArchiveError, BLOCK, SparseMapReader } from "../archive/mod.ts";
import type { Extent } from "../extent.ts";
import { readingBlob } from "../image/mod.ts";
import type { Digest } from "../digest.ts";
import type { ContentLocation, ImageEntry } from "./image_tree.ts";
import type { RawLayer } from "./raw_layer.ts";

const PIECE = 1 << 20;

/** A file's content, read as it is asked for. */
export interface FileContent {
  /** Bytes, holes included. */
  readonly size: number;
  /** Where there is data; absent where there is nothing else. */
  readonly extents?: readonly Extent[];
  /** The data, extent after extent, in pieces of at most 1 MiB. @throws {DaemonError} DATA_LOSS */
  data(): Generator<Uint8Array>;
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

/** A file as a program would read it: with zeros for its holes. */
export function* expanded(content: FileContent): Generator<Uint8Array> {
  if (!content.extents) return yield* content.data();
  const data = pieces(content.data());
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
  for (let done = 0; done < length; done += PIECE) {
    const read: Uint8Array[] = [];
    const wanted = Math.min(PIECE, length - done);
    readingBlob(
      digest,
      () => layer.read(offset + done, wanted, (piece) => read.push(piece.slice())),
    );
    yield* read;
  }
}

/** Reads the map that a file's stored bytes begin with. @throws {ArchiveError} */
function readMap(layer: RawLayer, { offset, stored }: ContentLocation, size: number) {
  const map = new SparseMapReader();
  for (let mapBytes = 0; mapBytes < stored;) {
    layer.read(offset + mapBytes, BLOCK, (piece) => void map.take(piece));
    mapBytes += BLOCK;
    const extents = map.extents(size);
    if (!extents) continue;
    const data = extents.reduce((sum, { length }) => sum + length, 0);
    if (mapBytes + data === stored) return { extents, mapBytes };
    throw new ArchiveError("malformed", "a sparse file has other data than its map says");
  }
  throw new ArchiveError("malformed", "a sparse file's map does not end");
}

/** Takes pieces apart by count. */
function pieces(from: Generator<Uint8Array>) {
  let rest: Uint8Array = new Uint8Array();
  return {
    *take(count: number): Generator<Uint8Array> {
      for (let left = count; left > 0;) {
        if (rest.length === 0) {
          const next = from.next();
          if (next.done) throw new RangeError("a sparse file has less data than its map says");
          rest = next.value;
        }
        const part = rest.subarray(0, left);
        rest = rest.subarray(part.length);
        left -= part.length;
        yield part;
      }
    },
  };
}

const ZEROS = new Uint8Array(PIECE);

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= PIECE) yield ZEROS.subarray(0, Math.min(PIECE, left));
}
