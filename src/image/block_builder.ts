/** Builds blocks; `layout.ts` has their format. */

import type { Stat } from "../linux/mod.ts";
import type { Arena } from "./arena.ts";
import { Block, encodeXattrs, type Location, writeLocal, writeStat } from "./block.ts";
import { ChunkedBuffer } from "./chunked_buffer.ts";
import { FIELD, FLAG, HEAD, KIND, RECORD, type Xattr } from "./layout.ts";

const EMPTY = new Uint8Array(0);

/** Sizes of the buffers for records and for names, targets and attributes; see {@link ChunkedBuffer}. */
const FIRST_RECORDS = 64 * RECORD;
const FIRST_HEAP = FIRST_RECORDS / 2;
const CHUNK_BYTES = FIRST_RECORDS << 7;

/** What a record says besides metadata. */
export interface RecordDetails {
  /** One of {@link KIND}. */
  readonly kind: number;
  readonly name: Uint8Array;
  /** A sum of {@link FLAG}; 0 where it is absent. */
  readonly flags?: number;
  /** Where a file's content is. */
  readonly location?: Location;
  /** A symlink's target, or the path that a hard link is another name of. */
  readonly link?: Uint8Array;
  readonly xattrs?: readonly Xattr[];
  /** What the flags say of the content: a digest, a list of chunks. */
  readonly content?: Uint8Array;
  /** Whether a later change may not show in the ctime. */
  readonly racy?: boolean;
}

/** Builds one block after the other, each in memory of an arena: `begin`, `add`…, `finish`. */
export class BlockBuilder {
  readonly #arena: Arena;
  readonly #records = new ChunkedBuffer(FIRST_RECORDS, CHUNK_BYTES);
  readonly #heap = new ChunkedBuffer(FIRST_HEAP, CHUNK_BYTES);
  #count = 0;
  #pathLength = 0;
  #sockets = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Starts the block of the directory at `path`. @param sockets as many as are known already */
  begin(path: Uint8Array, sockets = 0): void {
    this.#count = 0;
    this.#sockets = sockets;
    this.#records.clear();
    this.#heap.clear();
    this.#pathLength = path.length;
    this.#heap.append(path);
  }

  /** Adds a record, the directory's own first, then its entries by name. */
  add(stat: Stat, details: RecordDetails): void {
    const { name, link = EMPTY } = details;
    const xattrs = details.xattrs?.length ? encodeXattrs(details.xattrs) : EMPTY;
    const at = this.#record(name, link, xattrs, details.content);
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

  /**
   * Adds a copy of a record, with `link` in place of its own, and of its content, where that is passed.
   * @returns the copy's number among the entries; -1 for the directory's own record
   */
  copy(from: Block, record: number, link?: Uint8Array): number {
    const content = link ? undefined : from.contentBytes(record);
    const at = this.#record(
      from.name(record),
      link ?? from.link(record),
      from.xattrBytes(record),
      content,
    );
    const { bytes } = this.#records.last;
    const fixed = FIELD.heap;
    bytes.set(from.memory.bytes.subarray(record, record + fixed), at);
    const local = FIELD.ctimeNsec;
    bytes.set(from.memory.bytes.subarray(record + local, record + RECORD), at + local);
    if (link) bytes[at + FIELD.flags] = bytes[at + FIELD.flags]! & ~(FLAG.digest | FLAG.chunked);
    return this.#count - 2;
  }

  /** Counts a socket, which has no record. */
  addSocket(): void {
    this.#sockets++;
  }

  /**
   * Adds a copy of the record of a further name of a file, to be linked anew to the name with the
   * content.
   */
  copyLink(from: Block, record: number): void {
    this.copy(from, record, EMPTY);
    const { bytes } = this.#records.last;
    const at = this.#records.lastAt(RECORD);
    bytes[at + FIELD.flags] = bytes[at + FIELD.flags]! | FLAG.linked;
  }

  /** Adds a copy of a record whose inode is not in the tree, and so has no other names there. */
  copyOmitted(from: Block, record: number): void {
    this.copy(from, record);
    const { bytes } = this.#records.last;
    const at = this.#records.lastAt(RECORD);
    bytes[at + FIELD.flags] = bytes[at + FIELD.flags]! & ~FLAG.linked;
  }

  /** Completes the block. @returns the block, whose memory is the arena's and no longer changes here */
  finish(): Block {
    const heapAt = HEAD.size + this.#count * RECORD;
    const length = (heapAt + this.#heap.length + 7) & ~7;
    const { memory, at } = this.#arena.allocate(length);
    const { bytes, view } = memory;
    view.setUint32(at + HEAD.length, length, true);
    view.setUint32(at + HEAD.count, this.#count - 1, true);
    view.setUint32(at + HEAD.pathLength, this.#pathLength, true);
    view.setUint32(at + HEAD.sockets, this.#sockets, true);
    this.#records.moveTo(bytes, at + HEAD.size);
    for (let n = 0; n < this.#count; n++) {
      const heap = at + HEAD.size + n * RECORD + FIELD.heap;
      view.setUint32(heap, view.getUint32(heap, true) + heapAt, true);
    }
    this.#heap.moveTo(bytes, at + heapAt);
    return new Block(memory, at);
  }

  /** Appends a record that has only its heap's fields. @returns where it is in the last chunk */
  #record(
    name: Uint8Array,
    link: Uint8Array,
    xattrs: Uint8Array,
    content: Uint8Array = EMPTY,
  ): number {
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
    if (content.length > 0) this.#heap.append(content);
    return at;
  }
}
