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
  const members = new TarMembers(image, memberOf, options.signal);
  let entries = 0;
  let top: ImageEntry | undefined;
  for (const entry of image.tree.entries()) {
    if (++entries % YIELD_INTERVAL === 0) await yieldToEventLoop(options.signal);
    if (entry.path.length === 0) top = entry;
    else yield* members.add(entry);
  }
  if (top) yield* members.add(top);
  yield* members.end();
}

/** Returns the type of an entry as tar has it. */
export function tarTypeOf({ type }: ImageEntry): WrittenType {
  return TYPES[type];
}

/** Returns the header of a member as other tools are to extract it. */
function memberOf(entry: ImageEntry, size: MemberSize): WrittenEntry {
  const { type, mode, uid, gid, mtime, link, device, xattrs } = entry;
  const target = link && type === "hardlink" ? joinBytes(BELOW_TOP, link) : link;
  return {
    type: TYPES[type],
    path: entry.path.length === 0 ? TOP : joinBytes(BELOW_TOP, entry.path),
    mode,
    uid,
    gid,
    mtime,
    ...size,
    ...(target ? { link: target } : {}),
    ...(device ? { device } : {}),
    // A hard link's attributes are those of the file that it names.
    ...(xattrs.length > 0 && type !== "hardlink" ? { records: xattrRecords(xattrs) } : {}),
  };
}

/** What a header says of a file's bytes: those that follow it, and for a sparse one its size. */
export type MemberSize = Pick<WrittenEntry, "size"> & { sparseSize?: number };

/**
 * Makes the members of a tar archive, in chunks of up to 1 MiB, each valid until the next is asked for.
 * Calls are made one after the other.
 */
export class TarMembers {
  readonly #image: ImageFiles;
  readonly #headerOf: (entry: ImageEntry, size: MemberSize) => WrittenEntry;
  readonly #signal: AbortSignal | undefined;
  readonly #chunks = new Chunks();
  readonly #headers = new HeaderEncoder();

  constructor(
    image: ImageFiles,
    headerOf: (entry: ImageEntry, size: MemberSize) => WrittenEntry,
    signal?: AbortSignal,
  ) {
    this.#image = image;
    this.#headerOf = headerOf;
    this.#signal = signal;
  }

  /** Yields what an entry completes. @throws {DaemonError} DATA_LOSS naming the blob; ABORTED */
  async *add(entry: ImageEntry): AsyncGenerator<Uint8Array> {
    if (entry.type !== "file") {
      yield* this.#chunks.add(this.#headers.encode(this.#headerOf(entry, { size: 0 })));
      return;
    }
    const content = await this.#image.content(entry);
    const map = content.extents && encodeSparseMap(content.extents, content.size);
    const size = storedSize(content, map);
    const sizes = { size, ...(map ? { sparseSize: content.size } : {}) };
    yield* this.#chunks.add(this.#headers.encode(this.#headerOf(entry, sizes)));
    if (map) yield* this.#chunks.add(map);
    for await (const piece of content.data()) {
      this.#signal?.throwIfAborted();
      yield* this.#chunks.add(piece);
    }
    yield* this.#chunks.zeros(paddingOf(size));
  }

  /** Yields the rest of the archive. */
  *end(): Generator<Uint8Array> {
    yield* this.#chunks.zeros(2 * BLOCK);
    yield* this.#chunks.rest();
  }
}

function storedSize({ size, extents }: FileContent, map: Uint8Array | undefined): number {
  if (!extents || !map) return size;
  return extents.reduce((sum, { length }) => sum + length, map.length);
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
