/** Lists a directory's names in order, in little memory: a directory can hold millions. */

import { compareBytes } from "../../../archive/mod.ts";
import { binarySearch } from "../../../binary_search.ts";
import type { Directory } from "../../../linux/mod.ts";

/** Up to this many names are sorted by insertion, which is faster for few. */
const INSERTION_SORT_MAX = 24;

/** The names, types and inodes of one directory's entries, sorted as `compareBytes` does; reusable. */
export class NameList {
  #heap = new Uint8Array(16 * 1024);
  #used = 0;
  /** Where each name begins; one more than there are names. */
  #starts = new Uint32Array(256);
  #types = new Uint8Array(256);
  #inodes = new Float64Array(256);
  #count = 0;
  #order = new Uint32Array(256);
  readonly #sink = (
    bytes: Uint8Array,
    start: number,
    end: number,
    type: number,
    inode: number,
  ) => this.#add(bytes, start, end, type, inode);
  readonly #compare = (a: number, b: number) => this.#difference(a, b);

  get length(): number {
    return this.#count;
  }

  /** Replaces the list by the entries of a directory. @throws {SystemError} */
  read(dir: Directory): void {
    this.#used = this.#count = 0;
    while (dir.readNames(this.#sink));
    const order = this.#order;
    const count = this.#count;
    for (let n = 0; n < count; n++) order[n] = n;
    if (count > INSERTION_SORT_MAX) order.subarray(0, count).sort(this.#compare);
    else this.#insertionSort();
  }

  /** Returns the name at position `n`; a view that is valid until the next {@link read}. */
  name(n: number): Uint8Array {
    return this.#raw(this.#order[n]!);
  }

  /** Returns the type of the entry at position `n`, one of `DT`. */
  type(n: number): number {
    return this.#types[this.#order[n]!]!;
  }

  /** Returns the inode that the entry at position `n` names. */
  inode(n: number): number {
    return this.#inodes[this.#order[n]!]!;
  }

  /** Returns whether the directory has an entry of that name. */
  has(name: Uint8Array): boolean {
    return binarySearch(this.#count, (n) => compareBytes(this.name(n), name)) !== undefined;
  }

  #raw(n: number): Uint8Array {
    return this.#heap.subarray(this.#starts[n]!, this.#starts[n + 1]!);
  }

  #insertionSort(): void {
    const order = this.#order;
    for (let n = 1; n < this.#count; n++) {
      const name = order[n]!;
      let at = n;
      for (; at > 0 && this.#difference(order[at - 1]!, name) > 0; at--) order[at] = order[at - 1]!;
      order[at] = name;
    }
  }

  /** Compares two names as `compareBytes` does. */
  #difference(a: number, b: number): number {
    const heap = this.#heap;
    const starts = this.#starts;
    let atA = starts[a]!;
    let atB = starts[b]!;
    const endA = starts[a + 1]!;
    const endB = starts[b + 1]!;
    while (atA < endA && atB < endB) {
      const difference = heap[atA++]! - heap[atB++]!;
      if (difference !== 0) return difference;
    }
    return endA - atA - (endB - atB);
  }

  #add(bytes: Uint8Array, start: number, end: number, type: number, inode: number): void {
    if (this.#count + 1 >= this.#starts.length) this.#grow();
    const used = this.#used + end - start;
    if (used > this.#heap.length) {
      const heap = new Uint8Array(2 * used);
      heap.set(this.#heap);
      this.#heap = heap;
    }
    // Most names are so short that a loop is faster than a call of `set`.
    for (let from = start, to = this.#used; from < end; from++, to++) this.#heap[to] = bytes[from]!;
    this.#types[this.#count] = type;
    this.#inodes[this.#count] = inode;
    this.#starts[++this.#count] = used;
    this.#used = used;
  }

  #grow(): void {
    const starts = new Uint32Array(2 * this.#starts.length);
    starts.set(this.#starts);
    this.#starts = starts;
    const types = new Uint8Array(starts.length);
    types.set(this.#types);
    this.#types = types;
    const inodes = new Float64Array(starts.length);
    inodes.set(this.#inodes);
    this.#inodes = inodes;
    // It is filled after all names are read.
    this.#order = new Uint32Array(starts.length);
  }
}
