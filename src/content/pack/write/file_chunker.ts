/** Stores large files as lists of chunks, of which only those are written that are not stored yet. */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Extent } from "../../../extent.ts";
import {
  type Block,
  ChunkCutter,
  ChunkList,
  ChunkListBuilder,
  type ChunkPlace,
  type Cut,
  KIND,
  KnownChunks,
  MAX_CHUNK,
  MAX_SEGMENT,
  RECORD,
} from "../../../image/mod.ts";
import { type File, splitLast, type Stat } from "../../../linux/mod.ts";
import { BufferPool } from "../../../memory.ts";
import type { ChunkPackWriter } from "./chunk_pack_writer.ts";
import { ExpectedChunks } from "./expected_chunks.ts";
import type { FileSegment } from "./file_segment.ts";

/** Bytes that are read before chunks are cut: what is left of them is moved to the front each time. */
const READ_BYTES = 4 * MAX_CHUNK;
const readBuffers = new BufferPool(READ_BYTES);

/** The tree of the last image. */
interface PreviousFiles {
  /** The number of directories; they are numbered from 0. */
  readonly directories: number;
  /** Returns the block of that number, valid until the next call. */
  block(number: number): Block;
  /** Returns the block of the directory at `path`, valid until the next call. */
  find(path: Uint8Array): { readonly block: Block } | undefined;
}

/** What a {@link FileChunker} looks for known chunks in. */
export interface PreviousChunks {
  readonly tree: PreviousFiles;
  /** Which layers and packs of that image may be reused, by number. */
  readonly reusable: readonly boolean[];
}

/** Options of a {@link FileChunker}. */
export interface FileChunkerOptions {
  readonly packs: ChunkPackWriter;
  /** Files of this size and more are stored as chunks. */
  readonly minBytes: number;
  /** Returns the last image's tree; absent where there is none. Called when it is needed first. */
  readonly previous?: (() => PreviousChunks) | undefined;
  /** Lets other Workers store segments of a file; absent where this one stores them all. */
  readonly sharing?: SegmentSharing | undefined;
}

/** How segments of a large file are given to other Workers. */
export interface SegmentSharing {
  /** Returns whether somebody could take one now. */
  isWanted(): boolean;
  /** Returns a new number that identifies an attempt to read a file. */
  nextId(): number;
  offer(segment: FileSegment): void;
}

/** The list of a file's chunks. */
export interface ChunkedFile {
  readonly list: Uint8Array;
  /** Which of its chunks others store, who fill in their part of the list; absent for none. */
  readonly shared?: { readonly id: number; readonly chunks: number };
}

/** A file's stream: the bytes that come first, and the extents of the file that follow. */
export interface ChunkedStream {
  readonly head: Uint8Array;
  readonly extents: readonly Extent[];
}

/** A segment while it is cut; see {@link FileSegment}. */
interface CutSegment {
  readonly first: number;
  readonly position: number;
  readonly lengths: number[];
}

/** How a chunk was found. */
interface NextChunk {
  readonly digest?: Uint8Array | undefined;
  readonly expected?: ExpectedChunks | undefined;
}

/** Files of this size and more are worth several Workers. */
const SHARED_FILE_BYTES = MAX_SEGMENT;
const NO_DIGEST = new Uint8Array(32);

/** Cuts files and writes the chunks that are new. */
export class FileChunker {
  readonly #options: FileChunkerOptions;
  readonly #known = new KnownChunks();
  #previous: PreviousChunks | undefined;
  #knowsAll = false;
  #avoided: ReadonlySet<number> = new Set();

  constructor(options: FileChunkerOptions) {
    this.#options = options;
  }

  /** Returns whether a file of this size is stored as chunks. */
  wants(size: number): boolean {
    return size >= this.#options.minBytes;
  }

  /**
   * Stores a stream of the file at `path`; reads zeros for what the file has no more.
   * @param stat of the file, as it was before
   * @param tick called after each read with the bytes that were read; throws if the pack is cancelled
   * @returns its list of chunks, by the numbers that packs have while packing
   */
  pack(
    file: File,
    { path, stat }: { readonly path: Uint8Array; readonly stat: Stat },
    stream: ChunkedStream,
    tick: (bytes: number) => void,
  ): ChunkedFile {
    const last = this.#learn(path);
    const expected = last && new ExpectedChunks(last);
    const list = new ChunkListBuilder();
    const cutter = new ChunkCutter();
    const reader = new StreamReader(file, stream, tick);
    const buffer = readBuffers.take();
    // Where in a sparse file a segment is only its map tells.
    const isPlain = stream.head.length === 0 && stat.size >= SHARED_FILE_BYTES;
    const sharing = isPlain ? this.#options.sharing : undefined;
    const id = sharing?.nextId() ?? 0;
    let [position, shared] = [0, 0];
    /** The segment that is only cut here; absent where it is stored here, too. */
    let cutOnly: CutSegment | undefined;
    const begin = () => {
      if (!last) this.#options.packs.seal();
      cutOnly = sharing?.isWanted() ? { first: list.count, position, lengths: [] } : undefined;
      if (cutOnly) expected?.lose();
    };
    try {
      let [start, end, isAllNew] = [0, 0, true];
      begin();
      while (start < end || reader.left > 0) {
        if (end - start < MAX_CHUNK && reader.left > 0) {
          buffer.copyWithin(0, start, end);
          [start, end] = [0, end - start];
          end += reader.read(buffer.subarray(end));
        }
        const bytes = buffer.subarray(start, end);
        const { length, endsSegment, digest } = cutNext(cutter, bytes, reader.left === 0, expected);
        if (cutOnly) {
          list.add(NO_DIGEST, { pack: 0, offset: 0 }, length);
          cutOnly.lengths.push(length);
        } else {
          const isNew = this.#add(list, bytes.subarray(0, length), { digest, expected });
          isAllNew &&= isNew;
        }
        start += length;
        position += length;
        if (!endsSegment) continue;
        if (cutOnly) {
          sharing!.offer(segmentOf({ id, path, stat }, cutOnly));
          shared += cutOnly.lengths.length;
        } else this.#options.packs.endSegment(isAllNew);
        isAllNew = true;
        begin();
      }
    } finally {
      readBuffers.giveBack(buffer);
    }
    return { list: list.bytes, ...(shared > 0 ? { shared: { id, chunks: shared } } : {}) };
  }

  /** Stores a segment that another Worker has cut. @returns its part of the file's list */
  packSegment(file: File, segment: FileSegment, tick: (bytes: number) => void): Uint8Array {
    const { packs } = this.#options;
    const { path, position, lengths } = segment;
    if (!this.#learn(path)) packs.seal();
    const length = lengths.reduce((sum, length) => sum + length, 0);
    const extents = [{ offset: position, length }];
    const reader = new StreamReader(file, { head: new Uint8Array(), extents }, tick);
    const list = new ChunkListBuilder();
    const buffer = readBuffers.take();
    try {
      let isAllNew = true;
      for (const length of lengths) {
        const chunk = buffer.subarray(0, length);
        reader.read(chunk);
        const isNew = this.#add(list, chunk);
        isAllNew &&= isNew;
      }
      packs.endSegment(isAllNew);
    } finally {
      readBuffers.giveBack(buffer);
    }
    return list.bytes;
  }

  /**
   * Adds a chunk to a list, and stores it unless it is known.
   * @param next its digest, where it was expected; what is told else that a known one has come
   * @returns whether it was not known
   */
  #add(list: ChunkListBuilder, chunk: Uint8Array, next: NextChunk = {}): boolean {
    const digest = next.digest ?? digestOf(chunk);
    const found = this.#find(digest, chunk.length);
    list.add(digest, found ?? this.#store(digest, chunk), chunk.length);
    if (found && !next.digest) next.expected?.align(digest);
    return found === undefined;
  }

  /** Has chunks of these packs of the last image stored anew from now on. */
  avoid(packs: ReadonlySet<number>): void {
    this.#avoided = packs;
  }

  /**
   * Stores chunks of a list anew that are in packs to {@link avoid}.
   * @param read reads bytes of the stream, from a position on
   * @returns the list with their new places; `undefined` where the file has other content by now
   */
  move(
    list: ChunkList,
    read: (position: number, into: Uint8Array) => void,
  ): Uint8Array | undefined {
    const moved = new ChunkList(list.bytes.slice());
    let position = 0;
    for (let n = 0; n < list.count; n++) {
      const length = list.length(n);
      if (this.#avoided.has(list.pack(n))) {
        const chunk = new Uint8Array(length);
        read(position, chunk);
        const digest = digestOf(chunk);
        if (!digest.equals(list.digest(n))) return undefined;
        moved.setPlace(n, this.#find(digest, length) ?? this.#store(digest, chunk));
      }
      position += length;
    }
    return moved.bytes;
  }

  #find(digest: Uint8Array, length: number): ChunkPlace | undefined {
    const place = this.#known.find(digest, length);
    return place && this.#avoided.has(place.pack) ? undefined : place;
  }

  #store(digest: Uint8Array, chunk: Uint8Array): ChunkPlace {
    const place = this.#options.packs.add(chunk);
    this.#known.set(digest, place, chunk.length);
    return place;
  }

  /**
   * Learns the chunks that the file had, or those of all files.
   * @returns the list that it had, if it had one; valid until the next call
   */
  #learn(path: Uint8Array): ChunkList | undefined {
    const { previous } = this.#options;
    if (!previous) return undefined;
    this.#previous ??= previous();
    const { parent, name } = splitLast(path);
    const { tree } = this.#previous;
    const block = tree.find(parent)?.block;
    const record = block?.find(name);
    const list = block && record !== undefined ? this.#learnRecord(block, record) : undefined;
    if (list || this.#knowsAll) return list;
    this.#knowsAll = true;
    for (let number = 0; number < tree.directories; number++) {
      const block = tree.block(number);
      for (let one = block.first, end = block.end; one < end; one += RECORD) {
        this.#learnRecord(block, one);
      }
    }
    return undefined;
  }

  #learnRecord(block: Block, record: number): ChunkList | undefined {
    if (block.kind(record) !== KIND.file || !block.isChunked(record)) return undefined;
    const list = block.chunks(record);
    this.#known.addList(list, (pack) => this.#previous!.reusable[pack] === true);
    return list;
  }
}

/** Cuts what the bytes begin with, which has a digest already where it is what was expected. */
function cutNext(
  cutter: ChunkCutter,
  bytes: Uint8Array,
  isLast: boolean,
  expected: ExpectedChunks | undefined,
): Cut & Pick<NextChunk, "digest"> {
  const taken = expected?.take(bytes);
  if (!taken) return cutter.cut(bytes, 0, bytes.length, isLast);
  return { ...cutter.take(bytes, 0, taken.length), digest: taken.digest };
}

function segmentOf(
  { id, path, stat: { size, ctime } }: { id: number; path: Uint8Array; stat: Stat },
  { lengths, ...where }: CutSegment,
): FileSegment {
  return { id, ...where, path, file: { size, ctime }, lengths: Uint32Array.from(lengths) };
}

function digestOf(chunk: Uint8Array): Buffer {
  return createHash("sha256").update(chunk).digest();
}

/** Reads a stream from its start to its end. */
class StreamReader {
  readonly #file: File;
  readonly #stream: ChunkedStream;
  readonly #tick: (bytes: number) => void;
  #head = 0;
  #extent = 0;
  #done = 0;
  /** Bytes that are still to be read. */
  left: number;

  constructor(file: File, stream: ChunkedStream, tick: (bytes: number) => void) {
    this.#file = file;
    this.#stream = stream;
    this.#tick = tick;
    this.left = stream.extents.reduce((sum, { length }) => sum + length, stream.head.length);
  }

  /** Fills `into` as far as the stream goes. @returns how many bytes that are */
  read(into: Uint8Array): number {
    const { head, extents } = this.#stream;
    const count = Math.min(into.length, this.left);
    let at = Math.min(count, head.length - this.#head);
    into.set(head.subarray(this.#head, this.#head + at));
    this.#head += at;
    while (at < count) {
      const { offset, length } = extents[this.#extent]!;
      if (this.#done === length) {
        this.#extent++;
        this.#done = 0;
        continue;
      }
      const part = into.subarray(at, Math.min(count, at + Math.min(STEP, length - this.#done)));
      const read = this.#file.readAt(part, offset + this.#done);
      this.#tick(read);
      // The file has become shorter.
      if (read === 0) part.fill(0);
      this.#done += read || part.length;
      at += read || part.length;
    }
    this.left -= count;
    return count;
  }
}

/** Bytes of one read, between which a pack can be cancelled. */
const STEP = 1 << 20;
