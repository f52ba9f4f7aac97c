/** The bytes that a baseline is read from: a file, or memory that Workers share. */

import { Block, Memory, readFully } from "../../image/mod.ts";
import type { File } from "../../linux/mod.ts";
import { readAliases } from "./baseline_aliases.ts";

/** The bytes of a baseline, without its aliases. */
export interface BaselineBytes {
  readonly size: number;
  /** Returns a range: a view of memory that is shared, or a copy. @throws {RangeError} where it ends before */
  read(offset: number, length: number): Uint8Array;
  /** Returns the block in a range; of a file it is valid until the next call. */
  block(offset: number, length: number): Block;
}

/** Returns the bytes of an open file, which stays the caller's, or of memory. */
export function baselineBytes(source: File | Memory): BaselineBytes {
  return source instanceof Memory ? new MemoryBytes(source) : new FileBytes(source);
}

/** Reads a baseline without its aliases into memory that Workers can share. */
export function loadBaseline(file: File): Memory {
  const { size } = readAliases(file);
  const memory = new Memory(new SharedArrayBuffer(size));
  for (let at = 0, count: number; at < size; at += count) {
    count = file.readAt(memory.bytes.subarray(at), at);
    if (count === 0) throw new RangeError("it was cut short while it was read");
  }
  return memory;
}

class FileBytes implements BaselineBytes {
  readonly #file: File;
  readonly size: number;
  #scratch = new Memory(new ArrayBuffer(64 * 1024));

  constructor(file: File) {
    this.#file = file;
    this.size = readAliases(file).size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return readFully(this.#file, offset, length);
  }

  block(offset: number, length: number): Block {
    if (length > this.#scratch.bytes.length) {
      this.#scratch = new Memory(new ArrayBuffer(2 * length));
    }
    const into = this.#scratch.bytes.subarray(0, length);
    for (let at = 0, count: number; at < length; at += count) {
      count = this.#file.readAt(into.subarray(at), offset + at);
      if (count === 0) throw new RangeError("a baseline was cut short while it was read");
    }
    return new Block(this.#scratch, 0);
  }
}

class MemoryBytes implements BaselineBytes {
  constructor(private readonly memory: Memory) {}

  get size(): number {
    return this.memory.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return this.memory.bytes.subarray(offset, offset + length);
  }

  block(offset: number, _length: number): Block {
    return new Block(this.memory, offset);
  }
}

function checkRange({ size }: BaselineBytes, offset: number, length: number): void {
  if (offset >= 0 && offset + length <= size) return;
  throw new RangeError(`it ends before byte ${offset + length}`);
}
