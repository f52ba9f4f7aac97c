/** Building blocks; see `layout.ts`. */

import type { Stat } from "../../linux/mod.ts";
import { Block, encodeXattrs, type Location, Memory, writeLocal, writeStat } from "./block.ts";
import { FIELD, HEAD, KIND, RECORD, type Xattr } from "./layout.ts";

const CHUNK = 1 << 20;
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
      memory = new Memory(new ArrayBuffer(Math.max(CHUNK, size)));
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

/** Builds one block after the other. */
export class BlockBuilder {
  readonly #arena: Arena;
  #records = new Memory(new ArrayBuffer(64 * RECORD));
  #heap = new Uint8Array(4096);
  #count = 0;
  #heapLength = 0;
  #pathLength = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Starts the block of the directory at `path`. */
  begin(path: Uint8Array): void {
    this.#count = 0;
    this.#heapLength = 0;
    this.#pathLength = path.length;
    this.#push(path);
  }

  /** Adds a record, the directory's own first, then its entries by name. */
  add(stat: Stat, details: RecordDetails): void {
    const { name, link = EMPTY } = details;
    const xattrs = details.xattrs?.length ? encodeXattrs(details.xattrs) : EMPTY;
    const at = this.#record(name, link, xattrs);
    const { bytes, view } = this.#records;
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
    const { bytes } = this.#records;
    const fixed = FIELD.heap;
    bytes.set(from.memory.bytes.subarray(record, record + fixed), at);
    const local = FIELD.ctimeNsec;
    bytes.set(from.memory.bytes.subarray(record + local, record + RECORD), at + local);
    return this.#count - 2;
  }

  /** The block, at rest in the arena. */
  finish(): Block {
    const heapAt = HEAD.size + this.#count * RECORD;
    const length = (heapAt + this.#heapLength + 7) & ~7;
    const { memory, at } = this.#arena.allocate(length);
    const { bytes, view } = memory;
    view.setUint32(at + HEAD.length, length, true);
    view.setUint32(at + HEAD.count, this.#count - 1, true);
    view.setUint32(at + HEAD.pathLength, this.#pathLength, true);
    bytes.set(this.#records.bytes.subarray(0, this.#count * RECORD), at + HEAD.size);
    for (let n = 0; n < this.#count; n++) {
      const heap = at + HEAD.size + n * RECORD + FIELD.heap;
      view.setUint32(heap, view.getUint32(heap, true) + heapAt, true);
    }
    bytes.set(this.#heap.subarray(0, this.#heapLength), at + heapAt);
    return new Block(memory, at);
  }

  #record(name: Uint8Array, link: Uint8Array, xattrs: Uint8Array): number {
    const at = this.#count++ * RECORD;
    if (at + RECORD > this.#records.bytes.length) {
      const grown = new Memory(new ArrayBuffer(2 * this.#records.bytes.length));
      grown.bytes.set(this.#records.bytes);
      this.#records = grown;
    }
    const { bytes, view } = this.#records;
    bytes.fill(0, at, at + RECORD);
    view.setUint32(at + FIELD.heap, this.#heapLength, true);
    view.setUint32(at + FIELD.nameLength, name.length, true);
    view.setUint32(at + FIELD.linkLength, link.length, true);
    view.setUint32(at + FIELD.xattrLength, xattrs.length, true);
    this.#push(name);
    if (link.length > 0) this.#push(link);
    if (xattrs.length > 0) this.#push(xattrs);
    return at;
  }

  #push(bytes: Uint8Array): void {
    const end = this.#heapLength + bytes.length;
    if (end > this.#heap.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#heap.subarray(0, this.#heapLength));
      this.#heap = grown;
    }
    this.#heap.set(bytes, this.#heapLength);
    this.#heapLength = end;
  }
}
