/**
 * Compresses frame after frame with one zstd context and one output buffer.
 *
 * `zstdCompressSync` makes a context, a stream and buffers for each call, and joins the buffers. Of a
 * frame of 1 MiB that was measured to take 5% of the time of compressing text, and more than half of
 * that of content that cannot be compressed, besides what the garbage collector does afterwards. So
 * this uses what is behind a stream of `node:zlib`. That is not part of its interface: before it is
 * used it has to compress samples as `zstdCompressSync` does, which is used where it does not, and
 * each call has to say that it took all input and left some of the output.
 */

import { constants, createZstdCompress, zstdCompressSync, type ZstdOptions } from "node:zlib";

/** The window of a whole frame; level 1 would look back half as far. */
const WINDOW_LOG = 20;

const PARAMS: NonNullable<ZstdOptions["params"]> = {
  // The fastest of the plain ones.
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_windowLog]: WINDOW_LOG,
};

/** Bytes of an output buffer of {@link compressAlone}, which was measured to be quicker than greater ones. */
const OUTPUT_CHUNK = 256 << 10;

/** What is behind a stream, by the names that it has there. */
export interface Context {
  readonly _handle: {
    /** Begins a new frame. */
    reset(): void;
    /**
     * Writes to `left` how many bytes of the output are unused, and how many of the input unread. Deno 2.7
     * passes over `left` and writes that to {@link _writeState}.
     */
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
      left: Uint32Array,
    ): void;
  };
  readonly _writeState: Uint32Array;
}

/** Bytes that a frame may take: `ZSTD_compressBound`, and something for its header. */
const maxFrameBytes = (length: number) => length + (length >> 8) + 1024;

/** In {@link Context._writeState} where nothing was written. */
const UNSET = 0xffff_ffff;

/** Compresses frames; every thread has one, see {@link compressFrame}. */
export class FrameCompressor {
  readonly #context: Context | undefined;
  #output = new Uint8Array(0);

  /** @param open opens what is behind a stream */
  constructor(open: () => Context | undefined = openContext) {
    this.#context = open();
    if (this.#context && !this.#isAsExpected()) this.#context = undefined;
  }

  /** Whether frames share a context. */
  get isShared(): boolean {
    return this.#context !== undefined;
  }

  /** Compresses `raw` into a frame, which is valid until the next call. */
  compress(raw: Uint8Array): Uint8Array {
    return (this.#context && this.#compress(this.#context, raw)) ?? compressAlone(raw);
  }

  /** Returns `undefined` where the context does not say that it has done it. */
  #compress(context: Context, raw: Uint8Array): Uint8Array | undefined {
    const needed = maxFrameBytes(raw.length);
    if (this.#output.length < needed) this.#output = new Uint8Array(needed);
    const output = this.#output;
    const { _handle: handle, _writeState: left } = context;
    left.fill(UNSET);
    handle.reset();
    handle.writeSync(constants.ZSTD_e_end, raw, 0, raw.length, output, 0, output.length, left);
    const [unused, unread] = [left[0]!, left[1]!];
    if (unread !== 0 || unused === 0 || unused >= output.length) return undefined;
    return output.subarray(0, output.length - unused);
  }

  #isAsExpected(): boolean {
    try {
      return samples().every((sample) => {
        const frame = this.#compress(this.#context!, sample);
        return frame !== undefined && isEqual(frame, compressAlone(sample));
      });
    } catch {
      // It has other methods, or other parameters.
      return false;
    } finally {
      this.#output = new Uint8Array(0);
    }
  }
}

/** Opens what is behind a stream. */
export function openContext(): Context {
  return createZstdCompress({ params: PARAMS }) as unknown as Context;
}

/** Compresses by what `node:zlib` documents. */
function compressAlone(raw: Uint8Array): Uint8Array {
  const chunkSize = Math.min(OUTPUT_CHUNK, maxFrameBytes(raw.length));
  return zstdCompressSync(raw, { chunkSize, params: PARAMS });
}

/** Contents after which a context that keeps anything of an earlier frame would show that. */
function samples(): Uint8Array[] {
  const text = new TextEncoder().encode("a frame after another, ".repeat(500));
  const mixed = text.map((byte, n) => n % 3 === 0 ? byte : n * n >>> 3);
  return [text, mixed, text.subarray(5), new Uint8Array(0), text];
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, n) => byte === b[n]);
}

let shared: FrameCompressor | undefined;

/** Compresses `raw` into a frame of its own, which is valid until this thread's next call. */
export function compressFrame(raw: Uint8Array): Uint8Array {
  return (shared ??= new FrameCompressor()).compress(raw);
}
