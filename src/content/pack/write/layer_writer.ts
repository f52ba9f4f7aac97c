/** Writes layers: tar entries in seekable zstd, in files of the spool, cut at a bounded size. */

import { createHash, type Hash } from "node:crypto";
import {
  BLOCK,
  type FrameMark,
  FrameWriter,
  HeaderEncoder,
  paddingOf,
  type WrittenEntry,
} from "../../../archive/mod.ts";
import { BUFFER_BYTES, buffers } from "../../../image/mod.ts";
import { sha256Digest } from "../../../digest.ts";
import type { File } from "../../../linux/mod.ts";
import type { SpooledBlob } from "../../../spool.ts";
import type { LayerDescriptor } from "../../../image/mod.ts";
import type { OpenAreas } from "../../areas.ts";

/** The most uncompressed bytes of a frame. A file that fits into a frame is never divided. */
export const FRAME_BYTES: number = BUFFER_BYTES;
/** Uncompressed bytes after which a layer is closed; one large file may exceed it. */
export const LAYER_BYTES = 128 << 20;
/** About the bytes that a file takes in a layer besides its content. */
export const ENTRY_OVERHEAD = 1536;

/** A finished layer in the spool. */
export interface SealedLayer extends SpooledBlob, LayerDescriptor {
  /** The number that it had while it was written. */
  readonly temporary: number;
  /** Uncompressed bytes. */
  readonly rawSize: number;
}

/** The content of a layer that fills no frame, so that several can be joined. */
export interface Remainder {
  readonly temporary: number;
  /** Whole tar entries. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A position that a {@link LayerWriter} can go back to. */
interface Mark {
  readonly used: number;
  /** Absent if the entry that follows fits into the current frame. */
  readonly before?: { readonly frames: FrameMark; readonly content: Hash };
}

interface OpenLayer {
  readonly temporary: number;
  readonly name: string;
  readonly frames: FrameWriter;
  /** Hash of the uncompressed bytes. */
  content: Hash;
  file: File | undefined;
  /** Compressed bytes of which writeback has begun. */
  writtenBack: number;
}

/** Options of a {@link LayerWriter}. */
export interface LayerWriterOptions {
  readonly areas: OpenAreas;
  /** Prefix of the names of spool files. */
  readonly name: string;
  /** Temporary number of the first layer; the next ones count up. */
  readonly firstNumber: number;
  /** Called with each layer that is complete. The callee owns the spool file. */
  onSealed(layer: SealedLayer): void;
}

/** Writes one layer after the other. Entries are never divided between layers. */
export class LayerWriter implements Disposable {
  readonly #options: LayerWriterOptions;
  readonly #frame = buffers.take();
  readonly #headers = new HeaderEncoder();
  #used = 0;
  #layers = 0;
  #open: OpenLayer | undefined;

  constructor(options: LayerWriterOptions) {
    this.#options = options;
  }

  /** Temporary number of the layer that is being written. */
  get layer(): number {
    return this.#layerToWrite().temporary;
  }

  /** Position in the uncompressed layer. */
  get position(): number {
    return (this.#open?.frames.rawSize ?? 0) + this.#used;
  }

  /** Returns whether an entry with about `size` bytes of content is divided between frames. */
  exceedsFrame(size: number): boolean {
    return size + HEADER_BYTES > FRAME_BYTES;
  }

  /**
   * Prepares for an entry with about `size` bytes of content: seals a full layer, and begins a
   * frame if the current one has too little space.
   * @returns the position for {@link rewind}
   */
  begin(size: number): Mark {
    if (this.position >= LAYER_BYTES) this.seal();
    const layer = this.#layerToWrite();
    if (this.#used > 0 && this.#used + size + HEADER_BYTES > FRAME_BYTES) this.#flush(layer);
    if (!this.exceedsFrame(size)) return { used: this.#used };
    return { used: 0, before: { frames: layer.frames.mark(), content: layer.content.copy() } };
  }

  /** Undoes everything since {@link begin}. */
  rewind(mark: Mark): void {
    const layer = this.#open!;
    if (mark.before) {
      const { frames, content } = mark.before;
      layer.frames.rewind(frames);
      layer.content = content.copy();
      if (layer.file) {
        layer.file.truncate(frames.size);
        layer.file.seek(frames.size);
        layer.writtenBack = Math.min(layer.writtenBack, frames.size);
      }
    }
    this.#used = mark.used;
  }

  /** Writes an entry's header. @returns the offset of its content in the uncompressed layer */
  header(entry: WrittenEntry): number {
    this.#layerToWrite();
    this.write(this.#headers.encode(entry));
    return this.position;
  }

  /**
   * Returns the free part of the frame, never empty. What the caller writes there it {@link
   * advance}s over.
   */
  space(): Uint8Array<ArrayBuffer> {
    if (this.#used === FRAME_BYTES) this.#flush(this.#layerToWrite());
    return this.#frame.subarray(this.#used);
  }

  /** Counts bytes that were written into {@link space} as content. */
  advance(count: number): void {
    this.#used += count;
  }

  /** Copies bytes into the layer. */
  write(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      const space = this.space();
      const part = rest.length > space.length ? rest.subarray(0, space.length) : rest;
      space.set(part);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /**
   * Returns what was written from `offset` of the uncompressed layer on, all of which is in the current
   * frame: valid until more is written.
   */
  since(offset: number): Uint8Array {
    return this.#frame.subarray(offset - (this.#open?.frames.rawSize ?? 0), this.#used);
  }

  /** Writes zeros: padding, or content that a file no longer has. */
  zeros(count: number): void {
    for (let rest = count; rest > 0;) {
      const space = this.space();
      const part = Math.min(rest, space.length);
      space.fill(0, 0, part);
      this.#used += part;
      rest -= part;
    }
  }

  /** Pads `size` bytes of content to whole blocks of 512 bytes. */
  pad(size: number): void {
    const padding = paddingOf(size);
    if (padding > 0) this.zeros(padding);
  }

  /** Returns the content of the open layer instead of sealing it, if it has filled no frame. */
  takeRemainder(): Remainder | undefined {
    const layer = this.#open;
    if (!layer || layer.frames.rawSize > 0 || this.#used === 0) return undefined;
    const bytes = this.#frame.slice(0, this.#used);
    // It has a file if frames were filled and rewound.
    this.#deleteOpen();
    this.#used = 0;
    return { temporary: layer.temporary, bytes };
  }

  /** Appends what another writer began. @returns its offset in the layer */
  append(remainder: Remainder): number {
    this.begin(remainder.bytes.length);
    const at = this.position;
    this.write(remainder.bytes);
    return at;
  }

  /** Completes the open layer, if it has any entries, and reports it. */
  seal(): void {
    const layer = this.#open;
    if (!layer || this.position === 0) return;
    this.zeros(2 * BLOCK);
    this.#flush(layer);
    const sealed = layer.frames.seal();
    const diffId = sha256Digest(layer.content.digest("hex"));
    layer.file!.close();
    this.#open = undefined;
    this.#options.onSealed({
      ...sealed,
      diffId,
      temporary: layer.temporary,
      file: { area: "spool", path: layer.name },
    });
  }

  /** Deletes the unfinished layer. Nothing can be written afterwards. */
  [Symbol.dispose](): void {
    this.#deleteOpen();
    buffers.giveBack(this.#frame);
  }

  #deleteOpen(): void {
    const layer = this.#open;
    this.#open = undefined;
    if (!layer?.file) return;
    layer.file.close();
    this.#options.areas.spool.unlink(layer.name);
  }

  #layerToWrite(): OpenLayer {
    return this.#open ??= this.#start();
  }

  #start(): OpenLayer {
    const number = this.#layers++;
    const layer: OpenLayer = {
      temporary: this.#options.firstNumber + number,
      name: `${this.#options.name}-${number}`,
      file: undefined,
      writtenBack: 0,
      content: createHash("sha256"),
      frames: new FrameWriter((bytes) => {
        layer.file ??= this.#options.areas.spool.createFile(layer.name);
        layer.file.write(bytes);
      }),
    };
    return layer;
  }

  #flush(layer: OpenLayer): void {
    const { frames, content } = layer;
    const raw = this.#frame.subarray(0, this.#used);
    content.update(raw);
    frames.write(raw);
    this.#used = 0;
    if (frames.size - layer.writtenBack < WRITEBACK_BYTES) return;
    layer.file!.startWriteback(layer.writtenBack, frames.size - layer.writtenBack);
    layer.writtenBack = frames.size;
  }
}

/**
 * Writeback begins whenever this many bytes are pending, so that the last sync has little to do.
 */
const WRITEBACK_BYTES = 16 << 20;
/** About the most that headers, a sparse map and padding take besides an entry's content. */
const HEADER_BYTES = 16 * 1024;
