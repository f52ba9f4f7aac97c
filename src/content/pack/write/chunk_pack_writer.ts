/** Writes chunk packs: chunks of large files, each in a zstd frame of its own, in files of the spool. */

import { FrameWriter } from "../../../archive/mod.ts";
import { type ChunkPlace, MAX_SEGMENT, NO_DIFF_ID } from "../../../image/mod.ts";
import type { File } from "../../../linux/mod.ts";
import type { LayerWriterOptions } from "./layer_writer.ts";

/** A pack that has this many bytes of single chunks is closed where a segment ends. */
const ENOUGH_BYTES = 32 << 20;

interface OpenPack {
  readonly temporary: number;
  readonly name: string;
  readonly file: File;
  readonly frames: FrameWriter;
}

/**
 * Writes one pack after the other. A segment of which every chunk is new is a pack of its own, so that
 * equal files have equal packs, whoever packs them and whatever is packed before.
 */
export class ChunkPackWriter implements Disposable {
  readonly #options: LayerWriterOptions;
  #open: OpenPack | undefined;
  #packs = 0;

  constructor(options: LayerWriterOptions) {
    this.#options = options;
  }

  /** Adds a chunk. */
  add(chunk: Uint8Array): ChunkPlace {
    if (this.#open && this.#open.frames.rawSize + chunk.length > MAX_SEGMENT) this.seal();
    const { frames, temporary } = this.#open ??= this.#start();
    const offset = frames.rawSize;
    frames.write(chunk);
    return { pack: temporary, offset };
  }

  /** Closes the pack where enough is in it, or all that was new: called where a segment ends. */
  endSegment(isAllNew: boolean): void {
    if (isAllNew || (this.#open?.frames.rawSize ?? 0) >= ENOUGH_BYTES) this.seal();
  }

  /** Completes the open pack, if there is one, and reports it. */
  seal(): void {
    const pack = this.#open;
    if (!pack) return;
    const sealed = pack.frames.seal();
    pack.file.startWriteback(0, 0);
    pack.file.close();
    this.#open = undefined;
    this.#options.onSealed({
      ...sealed,
      diffId: NO_DIFF_ID,
      isChunks: true,
      temporary: pack.temporary,
      file: { area: "spool", path: pack.name },
    });
  }

  /** Deletes the unfinished pack. Nothing can be written afterwards. */
  [Symbol.dispose](): void {
    const pack = this.#open;
    this.#open = undefined;
    if (!pack) return;
    pack.file.close();
    this.#options.areas.spool.unlink(pack.name);
  }

  #start(): OpenPack {
    const { areas, firstNumber } = this.#options;
    const number = this.#packs++;
    const name = `${this.#options.name}-${number}`;
    const file = areas.spool.createFile(name);
    const temporary = firstNumber + number;
    return { temporary, name, file, frames: new FrameWriter((bytes) => file.write(bytes)) };
  }
}
