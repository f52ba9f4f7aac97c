/** Building blocks; see `layout.ts`. */

import { release } from "../memory.ts";
import type { Stat } from "../linux/mod.ts";
import { Block, encodeXattrs, type Location, Memory, writeLocal, writeStat } from "./block.ts";
import { FIELD, FLAG, HEAD, KIND, RECORD, type Xattr } from "./layout.ts";

/** Bytes of an arena's first chunk, and of its largest; what does not fit gets one of its own. */
const FIRST_CHUNK = 16 << 10;
const LARGEST_CHUNK = 1 << 20;
const EMPTY = new Uint8Array(0);

/** What a record says besides metadata. */
export interface RecordDetails {
  readonly kind: number;
  readonly name: Uint8Array;
  readonly flags?: number;
  readonly location?: Location;
  readonly link?: Uint8Array;
  readonly xattrs?: readonly Xattr[];
  /** Whether a later change may not show in the ctime. */
  readonly racy?: boolean;
}

/** Memory that grows by chunks, which can be handed to another Worker without a copy. */
export class Arena {
  readonly #chunks: Memory[] = [];
  #used = 0;

  /** A place for `size` bytes, a multiple of 8. */
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

/** Every block of an arena's chunks. */
export function blocksOf(buffers: readonly ArrayBuffer[]): Block[] {
  const blocks: Block[] = [];
  for (const buffer of buffers) {
    const memory = new Memory(buffer);
    for (let at = 0; at + HEAD.size <= memory.bytes.length;) {
      const block = new Block(memory, at);
      const length = block.length;
      if (length === 0) break;
      blocks.push(block);
      at += length;
    }
  }
  return blocks;
}

/**
 * Bytes that are put one after the other, in pieces: an array of a million records would be copied
 * each time that it grew, and then be twice what it holds.
 */
class Pieces {
  readonly #full: Memory[] = [];
  #last: Memory;
  #used = 0;

  /** @param first the size to begin with, of which {@link PIECE} is a multiple */
  constructor(first: number) {
    this.#last = new Memory(new ArrayBuffer(first));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#full.length * PIECE + this.#used;
  }

  /** The piece that {@link reserve} has found a place in. */
  get last(): Memory {
    return this.#last;
  }

  /** A place for `size` bytes, always the same size, zeroed. @returns where it is in {@link last} */
  reserve(size: number): number {
    if (this.#used === this.#last.bytes.length) this.#grow();
    const at = this.#used;
    this.#used += size;
    this.#last.bytes.fill(0, at, this.#used);
    return at;
  }

  /** Where in {@link last} the place of `size` bytes is that was reserved last. */
  lastAt(size: number): number {
    return this.#used - size;
  }

  append(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#used === this.#last.bytes.length) this.#grow();
      const space = this.#last.bytes.length - this.#used;
      const part = rest.length > space ? rest.subarray(0, space) : rest;
      this.#last.bytes.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Moves everything to `into`, from `at` on; there is nothing here afterwards. */
  moveTo(into: Uint8Array, at: number): void {
    let to = at;
    for (const { bytes } of this.#full) {
      into.set(bytes, to);
      to += bytes.length;
      release(bytes);
    }
    into.set(this.#last.bytes.subarray(0, this.#used), to);
    this.clear();
  }

  clear(): void {
    this.#full.length = this.#used = 0;
  }

  #grow(): void {
    const { bytes } = this.#last;
    if (bytes.length === PIECE) {
      this.#full.push(this.#last);
      this.#used = 0;
      this.#last = new Memory(new ArrayBuffer(PIECE));
      return;
    }
    this.#last = new Memory(new ArrayBuffer(2 * bytes.length));
    this.#last.bytes.set(bytes);
  }
}

const FIRST_RECORDS = 64 * RECORD;
const FIRST_HEAP = FIRST_RECORDS / 2;
/** Whole records, and what both of the above come to by doubling. */
const PIECE = FIRST_RECORDS << 7;

/** Builds one block after the other. */
export class BlockBuilder {
  readonly #arena: Arena;
  readonly #records = new Pieces(FIRST_RECORDS);
  readonly #heap = new Pieces(FIRST_HEAP);
  #count = 0;
  #pathLength = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Starts the block of the directory at `path`. */
  begin(path: Uint8Array): void {
    this.#count = 0;
    this.#records.clear();
    this.#heap.clear();
    this.#pathLength = path.length;
    this.#heap.append(path);
  }

  /** Adds a record, the directory's own first, then its entries by name. */
  add(stat: Stat, details: RecordDetails): void {
    const { name, link = EMPTY } = details;
    const xattrs = details.xattrs?.length ? encodeXattrs(details.xattrs) : EMPTY;
    const at = this.#record(name, link, xattrs);
    const { bytes, view } = this.#records.last;
    bytes[at + FIELD.kind] = details.kind;
    bytes[at + FIELD.flags] = details.flags ?? 0;
    writeStat(view, at, stat);
    if (details.location) {
      view.setUint32(at + FIELD.layer, details.location.layer, true);
      view.setFloat64(at + FIELD.offset, details.location.offset, true);
      view.setFloat64(at + FIELD.stored, details.location.stored, true);
    }
    writeLocal(view, at, stat, details.racy ?? false);
    if (details.kind === KIND.character || details.kind === KIND.block) {
      view.setFloat64(at + FIELD.size, stat.rdevMajor, true);
      view.setFloat64(at + FIELD.offset, stat.rdevMinor, true);
    }
  }

  /** Adds a copy of a record, with `link` in place of its own where given. @returns its number */
  copy(from: Block, record: number, link: Uint8Array = from.link(record)): number {
    const at = this.#record(from.name(record), link, from.xattrBytes(record));
    const { bytes } = this.#records.last;
    const fixed = FIELD.heap;
    bytes.set(from.memory.bytes.subarray(record, record + fixed), at);
    const local = FIELD.ctimeNsec;
    bytes.set(from.memory.bytes.subarray(record + local, record + RECORD), at + local);
    return this.#count - 2;
  }

  /** Adds a copy of a record whose inode is not in the tree, and so has no other names there. */
  copyOmitted(from: Block, record: number): void {
    this.copy(from, record);
    const { bytes } = this.#records.last;
    const at = this.#records.lastAt(RECORD);
    bytes[at + FIELD.flags] = bytes[at + FIELD.flags]! & ~FLAG.linked;
  }

  /** The block, at rest in the arena. */
  finish(): Block {
    const heapAt = HEAD.size + this.#count * RECORD;
    const length = (heapAt + this.#heap.length + 7) & ~7;
    const { memory, at } = this.#arena.allocate(length);
    const { bytes, view } = memory;
    view.setUint32(at + HEAD.length, length, true);
    view.setUint32(at + HEAD.count, this.#count - 1, true);
    view.setUint32(at + HEAD.pathLength, this.#pathLength, true);
    this.#records.moveTo(bytes, at + HEAD.size);
    for (let n = 0; n < this.#count; n++) {
      const heap = at + HEAD.size + n * RECORD + FIELD.heap;
      view.setUint32(heap, view.getUint32(heap, true) + heapAt, true);
    }
    this.#heap.moveTo(bytes, at + heapAt);
    return new Block(memory, at);
  }

  #record(name: Uint8Array, link: Uint8Array, xattrs: Uint8Array): number {
    this.#count++;
    const at = this.#records.reserve(RECORD);
    const { view } = this.#records.last;
    view.setUint32(at + FIELD.heap, this.#heap.length, true);
    view.setUint32(at + FIELD.nameLength, name.length, true);
    view.setUint32(at + FIELD.linkLength, link.length, true);
    view.setUint32(at + FIELD.xattrLength, xattrs.length, true);
    this.#heap.append(name);
    if (link.length > 0) this.#heap.append(link);
    if (xattrs.length > 0) this.#heap.append(xattrs);
    return at;
  }
}
