import {
  BLOCK,
  encodeSparseMap,
  HeaderEncoder,
  joinBytes,
  paddingOf,
  type WrittenEntry,
  type WrittenType,
} from "../archive/mod.ts";
import { xattrRecords } from "../image/mod.ts";
import { yieldToEventLoop } from "./blob_file.ts";
import type { FileContent } from "./file_content.ts";
import type { ImageFiles } from "./image_files.ts";
import type { ImageEntry, ImageEntryType } from "./image_tree.ts";

const CHUNK = 1 << 20;
/** Entries between two yields to the event loop, where signals are delivered. */
const YIELD_INTERVAL = 500;

const TYPES: Record<ImageEntryType, WrittenType> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  hardlink: "link",
  fifo: "fifo",
  "character-device": "character",
  "block-device": "block",
};

const TOP = Uint8Array.of(0x2e);
const BELOW_TOP = Uint8Array.of(0x2e, 0x2f);

/**
 * Yields an image as a tar archive, in chunks of up to 1 MiB, each valid until the next is asked for.
 * @throws {DaemonError} DATA_LOSS naming the blob that is damaged; ABORTED
 */
export async function* tarOf(
  image: ImageFiles,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks();
  const headers = new HeaderEncoder();
  let entries = 0;
  let top: ImageEntry | undefined;
  for (const entry of image.tree.entries()) {
    if (++entries % YIELD_INTERVAL === 0) await yieldToEventLoop(options.signal);
    if (entry.path.length === 0) {
      top = entry;
      continue;
    }
    if (entry.type !== "file") {
      yield* chunks.add(headers.encode(header(entry)));
      continue;
    }
    const content = await image.content(entry);
    const map = content.extents && encodeSparseMap(content.extents, content.size);
    const size = storedSize(content, map);
    yield* chunks.add(headers.encode({
      ...header(entry),
      size,
      ...(map ? { sparseSize: content.size } : {}),
    }));
    if (map) yield* chunks.add(map);
    for await (const piece of content.data()) {
      options.signal?.throwIfAborted();
      yield* chunks.add(piece);
    }
    yield* chunks.zeros(paddingOf(size));
  }
  if (top) yield* chunks.add(headers.encode(header(top)));
  yield* chunks.zeros(2 * BLOCK);
  yield* chunks.rest();
}

function storedSize({ size, extents }: FileContent, map: Uint8Array | undefined): number {
  if (!extents || !map) return size;
  return extents.reduce((sum, { length }) => sum + length, map.length);
}

function header(entry: ImageEntry): WrittenEntry {
  const { type, mode, uid, gid, mtime, link, device, xattrs } = entry;
  const target = link && type === "hardlink" ? joinBytes(BELOW_TOP, link) : link;
  return {
    type: TYPES[type],
    path: entry.path.length === 0 ? TOP : joinBytes(BELOW_TOP, entry.path),
    mode,
    uid,
    gid,
    mtime,
    size: 0,
    ...(target ? { link: target } : {}),
    ...(device ? { device } : {}),
    // A hard link's attributes are those of the file that it names.
    ...(xattrs.length > 0 && type !== "hardlink" ? { records: xattrRecords(xattrs) } : {}),
  };
}

/** Joins small pieces to large ones in one buffer. */
class Chunks {
  readonly #buffer = new Uint8Array(CHUNK);
  #used = 0;

  *add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let rest = bytes; rest.length > 0;) {
      const part = rest.subarray(0, CHUNK - this.#used);
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
      if (this.#used === CHUNK) yield* this.rest();
    }
  }

  *zeros(count: number): Generator<Uint8Array> {
    yield* this.add(new Uint8Array(count));
  }

  *rest(): Generator<Uint8Array> {
    if (this.#used > 0) yield this.#buffer.subarray(0, this.#used);
    this.#used = 0;
  }
}
