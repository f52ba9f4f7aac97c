/**
 * Decompresses gzip (RFC 1952), member after member, as it is read. node:zlib only offers this
 * asynchronously, which a reader in the midst of a header cannot wait for.
 */

import {
  Z_BUF_ERROR,
  Z_NO_FLUSH,
  Z_OK,
  Z_STREAM_END,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
  ZStream,
} from "pako";
import type { CompressedInput } from "./compressed_input.ts";
import type { ByteSource } from "./byte_source.ts";

/** zlib's largest window, with the gzip wrapper and its checks. */
const GZIP_WINDOW_BITS = 15 + 16;

/** The uncompressed bytes of a gzip stream. */
export class GzipSource implements ByteSource {
  readonly #input: CompressedInput;
  readonly #stream = new ZStream();
  #inMember = false;
  #ended = false;

  constructor(input: CompressedInput) {
    this.#input = input;
    zlibInflateInit2(this.#stream, GZIP_WINDOW_BITS);
  }

  read(into: Uint8Array): number {
    const stream = this.#stream;
    while (!this.#ended && into.length > 0) {
      if (!this.#inMember && !this.#startMember()) break;
      const available = this.#input.available();
      stream.input = available;
      stream.next_in = 0;
      stream.avail_in = available.length;
      stream.output = into as Uint8Array<ArrayBuffer>;
      stream.next_out = 0;
      stream.avail_out = into.length;
      const status = zlibInflate(stream, Z_NO_FLUSH);
      this.#input.consume(stream.next_in);
      if (status === Z_STREAM_END) {
        this.#inMember = false;
      } else if (status !== Z_OK && status !== Z_BUF_ERROR) {
        throw this.#input.damaged(stream.msg || `zlib error ${status}`);
      } else if (available.length === 0 && stream.next_out === 0) {
        throw this.#input.truncated("a member is not complete");
      }
      if (stream.next_out > 0) return stream.next_out;
    }
    return 0;
  }

  #startMember(): boolean {
    if (!this.#input.hasNext()) {
      this.#ended = true;
      return false;
    }
    zlibInflateReset(this.#stream);
    this.#inMember = true;
    return true;
  }
}
