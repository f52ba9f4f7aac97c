import { FrameWriter, type SealedFrames } from "../archive/mod.ts";
import type { File } from "../linux/mod.ts";
import { BUFFER_BYTES, buffers } from "./buffers.ts";
import type { Block } from "./block.ts";
import { HEAD, LOCAL_FIELDS, RECORD } from "./layout.ts";
import {
  encodeHeader,
  encodeStale,
  type LayerInfo,
  type PatchHeader,
  type StaleEntry,
} from "./tree_file.ts";

/** Uncompressed bytes of a frame. */
const FRAME = BUFFER_BYTES;

/** What an index has, or a patch of one. */
export interface IndexContent {
  readonly layers: readonly LayerInfo[];
  /** Ordered by path: all, or those that a patch has. */
  readonly blocks: readonly Block[];
  /** Ordered by path and layer: all, or those that a patch adds. */
  readonly stale: readonly StaleEntry[];
  /** What makes it a patch; ordered as `stale` is. */
  readonly patch?: Pick<PatchHeader, "below"> & { readonly removals: readonly StaleEntry[] };
}

/** Writes an index, or a patch of one, into a file that stays the caller's. @throws {SystemError} */
export function writeIndex(
  file: File,
  { layers, blocks, stale, patch }: IndexContent,
): SealedFrames {
  const staleBytes = encodeStale(stale);
  const removals = encodeStale(patch?.removals ?? []);
  using writer = new IndexWriter(file);
  writer.bytes(encodeHeader({
    layers,
    blocks: blocks.length,
    blockBytes: blocks.reduce((sum, { length }) => sum + length, 0),
    stale: stale.length,
    staleBytes: staleBytes.length,
    ...(patch
      ? {
        patch: {
          below: patch.below,
          removals: patch.removals.length,
          removalBytes: removals.length,
        },
      }
      : {}),
  }));
  for (const block of blocks) writer.block(block);
  writer.bytes(staleBytes);
  writer.bytes(removals);
  return writer.seal();
}

/**
 * Writes an index into a file: frames of at most {@link BUFFER_BYTES} uncompressed bytes and a seek
 * table. What only this node knows of an inode is written as zeros. The file stays the caller's.
 */
export class IndexWriter implements Disposable {
  readonly #frames: FrameWriter;
  readonly #buffer = buffers.take();
  readonly #words = new Uint32Array(this.#buffer.buffer, this.#buffer.byteOffset);
  #used = 0;

  constructor(file: File) {
    this.#frames = new FrameWriter((bytes) => file.write(bytes));
  }

  /** Adds bytes that are no block: a header, or stale entries. @throws {SystemError} */
  bytes(bytes: Uint8Array): void {
    this.#keepTogether(bytes.length);
    this.#append(bytes);
  }

  /** Adds a block without its local fields. @throws {SystemError} */
  block(block: Block): void {
    const { bytes, count } = block;
    this.#keepTogether(bytes.length);
    const heap = HEAD.size + (count + 1) * RECORD;
    const head = bytes.slice(0, HEAD.size);
    head.fill(0, HEAD.sockets, HEAD.size);
    this.#append(head);
    for (let at: number = HEAD.size; at < heap;) {
      if (this.#used + RECORD > FRAME) {
        const record = bytes.slice(at, at + RECORD);
        record.fill(0, LOCAL_FIELDS);
        this.#append(record);
        at += RECORD;
        continue;
      }
      const space = Math.floor((FRAME - this.#used) / RECORD) * RECORD;
      const end = Math.min(heap, at + space);
      const start = this.#used;
      this.#append(bytes.subarray(at, end));
      this.#clearLocal(start);
      at = end;
    }
    this.#append(bytes.subarray(heap));
  }

  /** Writes the seek table; nothing can follow. @throws {SystemError} */
  seal(): SealedFrames {
    this.#flush();
    return this.#frames.seal();
  }

  /** Gives its buffer back; nothing can be written afterwards. */
  [Symbol.dispose](): void {
    buffers.giveBack(this.#buffer);
  }

  /** Clears the local fields of the records from there on; all are at multiples of 4. */
  #clearLocal(start: number): void {
    const words = this.#words;
    for (let record = start; record < this.#used; record += RECORD) {
      const end = (record + RECORD) >> 2;
      for (let word = (record + LOCAL_FIELDS) >> 2; word < end; word++) words[word] = 0;
    }
  }

  /** Begins a new frame where the next `size` bytes do not fit into this one, but do into a new one. */
  #keepTogether(size: number): void {
    if (this.#used + size > FRAME && size <= FRAME) this.#flush();
  }

  #append(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#used === FRAME) this.#flush();
      const space = FRAME - this.#used;
      const part = rest.length > space ? rest.subarray(0, space) : rest;
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
  }

  #flush(): void {
    if (this.#used > 0) this.#frames.write(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
