/**
 * Decompresses zstd (RFC 8878), frame after frame, skippable ones included, as it is read.
 *
 * node:zlib cannot: Deno's decoder stream stops after one frame, says nothing of a truncated one and
 * throws past its listeners for a damaged one. So this is the reference decoder in WebAssembly,
 * from the npm package `zstddec`, which brings the module; each stream has an instance of its own,
 * so that neither an error nor a window of 128 MiB outlives it.
 */

import { ZSTDDecoder } from "zstddec";
import type { CompressedInput } from "./compressed_input.ts";
import type { ByteSource } from "./byte_source.ts";

/** What we use of the module's exports; pointers and sizes are numbers of 32 bits. */
interface Zstd {
  readonly memory: WebAssembly.Memory;
  malloc(size: number): number;
  ZSTD_createDCtx(): number;
  /** @returns 0 at the end of a frame, an error code (negative), else a hint. */
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

/** `ZSTD_ErrorCode`, as far as input can cause them. */
const ERRORS: Record<number, string> = {
  10: "it is not zstd",
  12: "its version is not supported",
  14: "a frame's parameter is not supported",
  16: "its window exceeds 128 MiB",
  20: "data corruption",
  22: "the checksum does not match",
  24: "a literals section is malformed",
  30: "a dictionary is malformed",
  32: "it needs a dictionary",
  64: "not enough memory",
  72: "a size is wrong",
};

/** `ZSTD_inBuffer` and `ZSTD_outBuffer`: pointer, size, position. */
const BUFFER_STRUCT = 12;
const SIZE_AT = 4;
const POSITION_AT = 8;
/** Bytes of the output buffer: at least a block, so that decoding one never stops for space. */
const CAPACITY = 128 * 1024;

let compiled: Promise<WebAssembly.Module> | undefined;

/** Compiles the package's module, which the package hands to nobody but this hook. */
function compile(): Promise<WebAssembly.Module> {
  return compiled ??= new Promise((resolve, reject) => {
    class Capture extends ZSTDDecoder {
      override _init(result: WebAssembly.WebAssemblyInstantiatedSource): void {
        resolve(result.module);
      }
    }
    new Capture().init().catch(reject);
  });
}

/** The uncompressed bytes of a zstd stream. */
export class ZstdSource implements ByteSource {
  readonly #input: CompressedInput;
  readonly #zstd: Zstd;
  readonly #context: number;
  readonly #inBuffer: number;
  readonly #inStruct: number;
  readonly #outBuffer: number;
  readonly #outStruct: number;
  /** Decompressed bytes not handed out yet, in the output buffer. */
  #start = 0;
  #end = 0;
  #inFrame = false;
  #ended = false;

  private constructor(input: CompressedInput, zstd: Zstd) {
    this.#input = input;
    this.#zstd = zstd;
    this.#context = zstd.ZSTD_createDCtx();
    this.#inBuffer = zstd.malloc(CAPACITY);
    this.#outBuffer = zstd.malloc(CAPACITY);
    this.#inStruct = zstd.malloc(BUFFER_STRUCT);
    this.#outStruct = zstd.malloc(BUFFER_STRUCT);
  }

  /** Makes a decoder for one stream. */
  static async open(input: CompressedInput): Promise<ZstdSource> {
    const instance = await WebAssembly.instantiate(await compile(), {
      env: { emscripten_notify_memory_growth: () => {} },
    });
    return new ZstdSource(input, instance.exports as unknown as Zstd);
  }

  read(into: Uint8Array): number {
    if (into.length === 0) return 0;
    while (this.#start === this.#end) {
      if (this.#ended) return 0;
      this.#decode();
    }
    const count = Math.min(into.length, this.#end - this.#start);
    const from = this.#outBuffer + this.#start;
    // A memory that has grown has another buffer.
    into.set(new Uint8Array(this.#zstd.memory.buffer, from, count));
    this.#start += count;
    return count;
  }

  #decode(): void {
    if (!this.#inFrame && !this.#input.hasNext()) {
      this.#ended = true;
      return;
    }
    // After a full output the decoder may hold more, which it returns without further input.
    const available = this.#end === CAPACITY && this.#inFrame
      ? new Uint8Array()
      : this.#input.available().subarray(0, CAPACITY);
    const flushing = this.#end === CAPACITY && this.#inFrame;
    if (available.length === 0 && !flushing) throw this.#input.truncated("a frame is not complete");
    const result = this.#call(available);
    if (result < 0) throw this.#input.damaged(ERRORS[-result] ?? `zstd error ${-result}`);
    this.#inFrame = result !== 0;
  }

  /** Calls the decoder once: notes its output, and consumes the input that it has used. */
  #call(input: Uint8Array): number {
    const { memory } = this.#zstd;
    new Uint8Array(memory.buffer).set(input, this.#inBuffer);
    this.#setStruct(this.#inStruct, this.#inBuffer, input.length);
    this.#setStruct(this.#outStruct, this.#outBuffer, CAPACITY);
    const result = this.#zstd.ZSTD_decompressStream(this.#context, this.#outStruct, this.#inStruct);
    const after = new DataView(memory.buffer);
    this.#input.consume(after.getUint32(this.#inStruct + POSITION_AT, true));
    this.#start = 0;
    this.#end = after.getUint32(this.#outStruct + POSITION_AT, true);
    return result;
  }

  #setStruct(at: number, pointer: number, size: number): void {
    const view = new DataView(this.#zstd.memory.buffer);
    view.setUint32(at, pointer, true);
    view.setUint32(at + SIZE_AT, size, true);
    view.setUint32(at + POSITION_AT, 0, true);
  }
}
