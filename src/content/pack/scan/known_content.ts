/** Finds content of the last image by its digest, wherever in its tree it was. */

import { type Block, KIND, RECORD } from "../../../image/mod.ts";
import { ENTRY_OVERHEAD } from "../write/layer_writer.ts";
import type { ContentPlace, ContentToFind, ReusableContent } from "../write/reusable_content.ts";
import { hasContent, locationOf } from "./previous_file.ts";

/** The tree of the last image. */
export interface KnownTree {
  /** The number of directories; they are numbered from 0. */
  readonly directories: number;
  /** Returns the block of that number, valid until the next call. */
  block(number: number): Block;
}

/** What content is looked for in. */
export interface KnownFiles {
  readonly tree: KnownTree;
  /** Which layers may be reused, by number. */
  readonly reusable: readonly boolean[];
}

/**
 * New content of so many bytes in all is stored without a look, and of as many as the last image's records
 * have if those are more. To learn the records was measured to take 2 to 9 ms of CPU time a megabyte, to
 * store content 7: most saves of a large tree need not learn it, and one that must has lost little.
 */
const UNSOUGHT_BYTES = 128 << 10;
/** Files of this size and more are known by their sizes, too. */
const LARGE_BYTES = 256 << 10;

/** Words of a slot: 64 bits of the digest; 1 and the directory's number; the record's number there. */
const SLOT = 4;
const FIRST_SLOTS = 1 << 10;

/**
 * The content of all files of the last image, in a hash table with 16 bytes a slot, of which at least a
 * third is in use. It is built when it is needed first.
 */
export class KnownContent implements ReusableContent {
  readonly #open: () => KnownFiles;
  #files: KnownFiles | undefined;
  #slots = new Uint32Array(SLOT * FIRST_SLOTS);
  #count = 0;
  readonly #largeSizes = new Set<number>();
  /** Bytes of new content that may yet be stored without a look. */
  #unsought: number;

  /**
   * @param recordBytes bytes of all records of the tree
   * @param open called once; the tree is used by nothing else
   */
  constructor(recordBytes: number, open: () => KnownFiles) {
    this.#open = open;
    this.#unsought = Math.max(UNSOUGHT_BYTES, recordBytes);
  }

  mayHave(size: number): boolean {
    return size < LARGE_BYTES || this.#isWorthIt(size) && this.#largeSizes.has(size);
  }

  find(content: ContentToFind): ContentPlace | undefined {
    if (!this.#isWorthIt(content.stat.size)) return undefined;
    const { tree } = this.#files!;
    const at = this.#slotOf(content.digest);
    const directory = this.#slots[at + 2]!;
    if (directory === 0) return undefined;
    const block = tree.block(directory - 1);
    const record = block.first + this.#slots[at + 3]! * RECORD;
    // 64 bits of a digest may be those of another.
    if (!hasContent(block, record, content)) return undefined;
    return { location: locationOf(block, record), isDisplaced: true };
  }

  /** Learns the tree once there is enough new content. @returns whether it is known */
  #isWorthIt(size: number): boolean {
    if (this.#files) return true;
    this.#unsought -= size + ENTRY_OVERHEAD;
    if (this.#unsought > 0) return false;
    this.#learn();
    return true;
  }

  #learn(): void {
    this.#files = this.#open();
    const { tree, reusable } = this.#files;
    for (let directory = 0; directory < tree.directories; directory++) {
      const block = tree.block(directory);
      for (let n = 0; n < block.count; n++) {
        const record = block.first + n * RECORD;
        if (block.kind(record) !== KIND.file || !reusable[block.layer(record)]) continue;
        const digest = block.digest(record);
        if (digest) this.#add(digest, directory, n);
        if (digest && block.size(record) >= LARGE_BYTES) this.#largeSizes.add(block.size(record));
      }
    }
  }

  /** Adds a file, unless one with its digest is there. */
  #add(digest: Uint8Array, directory: number, record: number): void {
    const at = this.#slotOf(digest);
    if (this.#slots[at + 2] !== 0) return;
    this.#slots[at] = word(digest, 0);
    this.#slots[at + 1] = word(digest, 4);
    this.#slots[at + 2] = directory + 1;
    this.#slots[at + 3] = record;
    if (++this.#count * 3 > this.#slots.length / SLOT * 2) this.#grow();
  }

  #slotOf(digest: Uint8Array): number {
    return slotFor(this.#slots, word(digest, 0), word(digest, 4));
  }

  #grow(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    for (let from = 0; from < this.#slots.length; from += SLOT) {
      const slot = this.#slots.subarray(from, from + SLOT);
      if (slot[2] !== 0) slots.set(slot, slotFor(slots, slot[0]!, slot[1]!));
    }
    this.#slots = slots;
  }
}

/** Returns where in the table the slot of those bits is, or the free one where it belongs. */
function slotFor(slots: Uint32Array, low: number, high: number): number {
  const mask = slots.length - 1;
  let at = SLOT * low & mask;
  while (slots[at + 2] !== 0 && (slots[at] !== low || slots[at + 1] !== high)) {
    at = at + SLOT & mask;
  }
  return at;
}

/** Returns four bytes as a number of 32 bits without a sign. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}
