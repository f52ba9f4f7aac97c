/** Writing an index blob: a tree file without what only this node knows, as seekable zstd. */

import { FrameWriter, type SealedFrames } from "../../archive/seekable.ts";
import type { File } from "../../linux/mod.ts";
import type { Block } from "./block.ts";
import { HEAD, LOCAL_FIELDS, RECORD } from "./layout.ts";

/** Uncompressed bytes of a frame. */
const FRAME = 1 << 20;

export class IndexWriter {
  readonly #frames: FrameWriter;
  #buffer = new Uint8Array(FRAME);
  #used = 0;

  constructor(file: File) {
    this.#frames = new FrameWriter((bytes) => file.write(bytes));
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  block(block: Block): void {
    const { bytes, count } = block;
    this.bytes(bytes);
    const start = this.#used - bytes.length + HEAD.size;
    for (let n = 0; n <= count; n++) {
      const record = start + n * RECORD;
      this.#buffer.fill(0, record + LOCAL_FIELDS, record + RECORD);
    }
  }

  seal(): SealedFrames {
    this.#flush();
    return this.#frames.seal();
  }

  #reserve(size: number): void {
    if (this.#used + size <= this.#buffer.length) return;
    this.#flush();
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size);
  }

  #flush(): void {
    for (let at = 0; at < this.#used; at += FRAME) {
      this.#frames.write(this.#buffer.subarray(at, Math.min(at + FRAME, this.#used)));
    }
    this.#used = 0;
  }
}
