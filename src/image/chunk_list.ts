/** The list of the chunks that a large file's content is made of, as a block's heap has it. */

/** Bytes of one chunk in a list. */
export const CHUNK_ENTRY = 44;
/** Bytes of a chunk's digest. */
const DIGEST = 32;
/** Offsets in an entry, after the digest; u32 each. */
const PACK = DIGEST;
const OFFSET = DIGEST + 4;
const LENGTH = DIGEST + 8;

/** Where a chunk is. */
export interface ChunkPlace {
  /** Number of the chunk pack: in the layer table, or a temporary one while packing. */
  readonly pack: number;
  /** Offset in the uncompressed pack. */
  readonly offset: number;
}

/** Chunks in the order of the stream that they make up: a view of bytes of {@link CHUNK_ENTRY} each. */
export class ChunkList {
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The number of chunks; they are numbered from 0. */
  get count(): number {
    return this.bytes.length / CHUNK_ENTRY;
  }

  /** Returns the SHA-256 digest of a chunk: a view of the list. */
  digest(n: number): Uint8Array {
    return this.bytes.subarray(n * CHUNK_ENTRY, n * CHUNK_ENTRY + DIGEST);
  }
  /** Returns the number of the pack that a chunk is in. */
  pack(n: number): number {
    return this.#view.getUint32(n * CHUNK_ENTRY + PACK, true);
  }
  /** Returns where a chunk begins in its uncompressed pack. */
  offset(n: number): number {
    return this.#view.getUint32(n * CHUNK_ENTRY + OFFSET, true);
  }
  /** Returns the bytes of a chunk. */
  length(n: number): number {
    return this.#view.getUint32(n * CHUNK_ENTRY + LENGTH, true);
  }

  /** Sets where a chunk is. */
  setPlace(n: number, { pack, offset }: ChunkPlace): void {
    this.#view.setUint32(n * CHUNK_ENTRY + PACK, pack, true);
    this.#view.setUint32(n * CHUNK_ENTRY + OFFSET, offset, true);
  }
  /** Sets a whole entry. */
  set(n: number, digest: Uint8Array, place: ChunkPlace, length: number): void {
    this.bytes.set(digest, n * CHUNK_ENTRY);
    this.setPlace(n, place);
    this.#view.setUint32(n * CHUNK_ENTRY + LENGTH, length, true);
  }
}

/** Builds a list. */
export class ChunkListBuilder {
  #list = new ChunkList(new Uint8Array(16 * CHUNK_ENTRY));
  #count = 0;

  /** Appends a chunk. */
  add(digest: Uint8Array, place: ChunkPlace, length: number): void {
    if (this.#count === this.#list.count) {
      const larger = new Uint8Array(2 * this.#list.bytes.length);
      larger.set(this.#list.bytes);
      this.#list = new ChunkList(larger);
    }
    this.#list.set(this.#count++, digest, place, length);
  }

  /** Chunks so far. */
  get count(): number {
    return this.#count;
  }

  /** Returns the list: a view that the next {@link add} may leave behind. */
  get bytes(): Uint8Array {
    return this.#list.bytes.subarray(0, this.#count * CHUNK_ENTRY);
  }
}
