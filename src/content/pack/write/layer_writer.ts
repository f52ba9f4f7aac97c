/** Writing layers: tar entries into seekable zstd in the spool, cut at a bounded size. */

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

/** Uncompressed bytes of a frame at most. A file that fits into one is never divided. */
export const FRAME_BYTES: number = BUFFER_BYTES;
/** Uncompressed bytes after which a layer is closed; one large file may exceed it. */
export const LAYER_BYTES = 128 << 20;

/** A finished layer in the spool. */
export interface SealedLayer extends SpooledBlob, LayerDescriptor {
  /** The number that it had while it was written. */
  readonly temporary: number;
  /** Uncompressed bytes. */
  readonly rawSize: number;
}

/** The whole of a layer that fills no frame, so that several can become one. */
export interface Remainder {
  readonly temporary: number;
  /** Whole tar entries. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A point that a {@link LayerWriter} can go back to. */
interface Mark {
  readonly used: number;
  /** Absent where what follows cannot have left the frame. */
  readonly before?: { readonly frames: FrameMark; readonly content: Hash };
}

interface OpenLayer {
  readonly temporary: number;
  readonly name: string;
  readonly frames: FrameWriter;
  /** Of the uncompressed bytes. */
  content: Hash;
  file: File | undefined;
  /** Compressed bytes that are on their way to the disk. */
  writtenBack: number;
}

export interface LayerWriterOptions {
  readonly areas: OpenAreas;
  /** Begins the names of spool files. */
  readonly name: string;
  /** Number of the first layer; the next ones count up. */
  readonly firstNumber: number;
  /** Called with each layer that is complete; the spool file is the callee's. */
  onSealed(layer: SealedLayer): void;
}

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

  /** Number of the layer that is being written. */
  get layer(): number {
    return this.#layerToWrite().temporary;
  }

  /** Position in the uncompressed layer. */
  get position(): number {
    return (this.#open?.frames.rawSize ?? 0) + this.#used;
  }

  /**
   * Makes ready for an entry with about `size` bytes of content: closes a layer that is full, and
   * begins a frame where this one has too little space.
   * @returns where to go {@link rewind} to
   */
  begin(size: number): Mark {
    if (this.position >= LAYER_BYTES) this.seal();
    const layer = this.#layerToWrite();
    const needed = size + HEADER_BYTES;
    if (this.#used > 0 && this.#used + needed > FRAME_BYTES) this.#flush(layer);
    if (needed <= FRAME_BYTES) return { used: this.#used };
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

  /** Writes an entry's header. @returns where its content begins in the uncompressed layer */
  header(entry: WrittenEntry): number {
    this.#layerToWrite();
    this.write(this.#headers.encode(entry));
    return this.position;
  }

  /** The free part of the frame, never empty; what is put at its start is {@link advance}d over. */
  space(): Uint8Array<ArrayBuffer> {
    if (this.#used === FRAME_BYTES) this.#flush(this.#layerToWrite());
    return this.#frame.subarray(this.#used);
  }

  advance(count: number): void {
    this.#used += count;
  }

  write(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      const space = this.space();
      const part = rest.length > space.length ? rest.subarray(0, space.length) : rest;
      space.set(part);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
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

  /** Fills up the block after `size` bytes of content. */
  pad(size: number): void {
    const padding = paddingOf(size);
    if (padding > 0) this.zeros(padding);
  }

  /** Takes the open layer away, unfinished, if no frame of it is filled. */
  takeRemainder(): Remainder | undefined {
    const layer = this.#open;
    if (!layer || layer.frames.rawSize > 0 || this.#used === 0) return undefined;
    const bytes = this.#frame.slice(0, this.#used);
    // It has a file where frames were filled and taken back.
    this.#deleteOpen();
    this.#used = 0;
    return { temporary: layer.temporary, bytes };
  }

  /** Adds what another writer began. @returns where it now begins in the layer */
  append(remainder: Remainder): number {
    this.begin(remainder.bytes.length);
    const at = this.position;
    this.write(remainder.bytes);
    return at;
  }

  /** Finishes the open layer, if there is one with anything in it. */
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

  /** Deletes what was not finished; nothing can be written afterwards. */
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

/** The disk begins when there are so many bytes for it, rather than when all are there. */
const WRITEBACK_BYTES = 16 << 20;
/** What headers, a sparse map and padding take beside the content, mostly. */
const HEADER_BYTES = 16 * 1024;
