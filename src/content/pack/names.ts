/** The names in one directory, ordered, in little memory: a directory can hold millions. */

import { compareBytes } from "../../archive/bytes.ts";
import type { Directory } from "../../linux/mod.ts";

export class NameList {
  #heap = new Uint8Array(16 * 1024);
  #used = 0;
  /** Where each name begins; one more than there are names. */
  #starts = new Uint32Array(256);
  #types = new Uint8Array(256);
  #count = 0;
  #order: Uint32Array = new Uint32Array(0);

  get length(): number {
    return this.#count;
  }

  /** Reads the entries of a directory in place of what was here. @throws {SystemError} */
  read(dir: Directory): void {
    this.#used = this.#count = 0;
    for (let batch = dir.readBatch(); batch; batch = dir.readBatch()) {
      for (const { name, type } of batch) this.#add(name, type);
    }
    this.#order = new Uint32Array(this.#count);
    for (let n = 0; n < this.#count; n++) this.#order[n] = n;
    this.#order.sort((a, b) => compareBytes(this.#raw(a), this.#raw(b)));
  }

  /** The name at `n` in order; it stays as it is until the next {@link read}. */
  name(n: number): Uint8Array {
    return this.#raw(this.#order[n]!);
  }

  /** Its type, one of `DT`. */
  type(n: number): number {
    return this.#types[this.#order[n]!]!;
  }

  #raw(n: number): Uint8Array {
    return this.#heap.subarray(this.#starts[n]!, this.#starts[n + 1]!);
  }

  #add(name: Uint8Array, type: number): void {
    if (this.#count + 1 >= this.#starts.length) {
      const starts = new Uint32Array(2 * this.#starts.length);
      starts.set(this.#starts);
      this.#starts = starts;
      const types = new Uint8Array(starts.length);
      types.set(this.#types);
      this.#types = types;
    }
    const end = this.#used + name.length;
    if (end > this.#heap.length) {
      const heap = new Uint8Array(2 * end);
      heap.set(this.#heap);
      this.#heap = heap;
    }
    this.#heap.set(name, this.#used);
    this.#types[this.#count] = type;
    this.#starts[++this.#count] = end;
    this.#used = end;
  }
}
