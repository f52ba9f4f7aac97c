/** Finds chunks by their digests: open addressing, in memory that the garbage collector never walks. */

import { sameName } from "../linux/mod.ts";
import { CHUNK_ENTRY, ChunkList, type ChunkPlace } from "./chunk_list.ts";

/** Chunks in one piece of memory; a million chunks take 44 MB and 8 MB of slots. */
const PIECE = 1 << 14;
const FIRST_SLOTS = 1 << 10;

/** A set of chunks with the place of each. */
export class KnownChunks {
  readonly #pieces: ChunkList[] = [];
  /** 1 and the number of a chunk; 0 for a free slot. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #count = 0;

  /** The number of chunks. */
  get count(): number {
    return this.#count;
  }

  /** Adds a chunk, or says of one that is there where it is now. */
  set(digest: Uint8Array, place: ChunkPlace, length: number): void {
    const number = this.#slots[this.#slotOf(digest)]!;
    if (number === 0) return this.add(digest, place, length);
    const { list, n } = this.#at(number - 1);
    list.set(n, digest, place, length);
  }

  /** Adds a chunk, unless one with its digest is there. */
  add(digest: Uint8Array, place: ChunkPlace, length: number): void {
    const slot = this.#slotOf(digest);
    if (this.#slots[slot] !== 0) return;
    if (this.#count % PIECE === 0) {
      this.#pieces.push(new ChunkList(new Uint8Array(PIECE * CHUNK_ENTRY)));
    }
    this.#pieces.at(-1)!.set(this.#count % PIECE, digest, place, length);
    this.#slots[slot] = ++this.#count;
    if (2 * this.#count > this.#slots.length) this.#grow();
  }

  /** Adds the chunks of a list whose packs `mayUse` says can be used. */
  addList(list: ChunkList, mayUse: (pack: number) => boolean): void {
    for (let n = 0; n < list.count; n++) {
      const pack = list.pack(n);
      if (mayUse(pack)) this.add(list.digest(n), { pack, offset: list.offset(n) }, list.length(n));
    }
  }

  /** Returns where a chunk of that digest and length is; `undefined` where none is known. */
  find(digest: Uint8Array, length: number): ChunkPlace | undefined {
    const number = this.#slots[this.#slotOf(digest)]!;
    if (number === 0) return undefined;
    const { list, n } = this.#at(number - 1);
    // Two lengths for one digest are those of an image that somebody has made up.
    return list.length(n) === length ? { pack: list.pack(n), offset: list.offset(n) } : undefined;
  }

  /** Returns the slot of a digest, or the free one where it belongs. */
  #slotOf(digest: Uint8Array): number {
    const mask = this.#slots.length - 1;
    const hash = digest[0]! | digest[1]! << 8 | digest[2]! << 16 | digest[3]! << 24;
    for (let slot = hash & mask;; slot = slot + 1 & mask) {
      const number = this.#slots[slot]!;
      if (number === 0) return slot;
      const { list, n } = this.#at(number - 1);
      if (sameName(list.digest(n), digest)) return slot;
    }
  }

  #at(number: number): { list: ChunkList; n: number } {
    return { list: this.#pieces[Math.floor(number / PIECE)]!, n: number % PIECE };
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let number = 0; number < this.#count; number++) {
      const { list, n } = this.#at(number);
      this.#slots[this.#slotOf(list.digest(n))] = number + 1;
    }
  }
}
