/** The memory that blocks are built in, and how they are found there again. */

import { Block, Memory } from "./block.ts";
import { HEAD } from "./layout.ts";

/** Bytes of an arena's first chunk, and of its largest; what does not fit gets one of its own. */
const FIRST_CHUNK = 16 << 10;
const LARGEST_CHUNK = 1 << 20;

/** Memory that grows by chunks, which can be handed to another Worker without a copy. */
export class Arena {
  readonly #chunks: Memory[] = [];
  #used = 0;

  /** Returns zeroed memory and where in it `size` bytes, a multiple of 8, are the caller's. */
  allocate(size: number): { memory: Memory; at: number } {
    let memory = this.#chunks.at(-1);
    if (!memory || this.#used + size > memory.bytes.length) {
      const usual = Math.min(FIRST_CHUNK << Math.min(this.#chunks.length, 6), LARGEST_CHUNK);
      memory = new Memory(new ArrayBuffer(Math.max(usual, size)));
      this.#chunks.push(memory);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += size;
    return { memory, at };
  }

  /** The chunks, for {@link blocksOf}. */
  get buffers(): ArrayBuffer[] {
    return this.#chunks.map((chunk) => chunk.buffer as ArrayBuffer);
  }
}

/** Returns every block in an arena's chunks, in the order in which they were built. */
export function blocksOf(buffers: readonly ArrayBuffer[]): Block[] {
  const blocks: Block[] = [];
  for (const buffer of buffers) {
    const memory = new Memory(buffer);
    for (let at = 0; at + HEAD.size <= memory.bytes.length;) {
      const block = new Block(memory, at);
      const length = block.length;
      // No block has no bytes: the rest of the chunk was never used.
      if (length === 0) break;
      blocks.push(block);
      at += length;
    }
  }
  return blocks;
}
