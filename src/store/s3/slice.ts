/** Pieces of a spool file: hashed, and streamed without ever being whole in memory. */

import { createHash } from "node:crypto";
import { DaemonError } from "../../errors.ts";

/** Bytes read at a time. */
const CHUNK = 256 << 10;

/** A range of a file. */
export interface Slice {
  path: string;
  offset: number;
  length: number;
}

export interface SliceHashes {
  /** For `Content-MD5`: base64. */
  md5: string;
  /** The same in hexadecimal. */
  md5Hex: string;
  /** Hexadecimal. */
  sha256: string;
}

/** Hashes bytes in memory. */
export function hashesOf(bytes: Uint8Array): SliceHashes {
  const hashes = new Hashes();
  hashes.update(bytes);
  return hashes.digest();
}

/** Reads a slice once for what must be known before the first byte is sent. */
export async function hashSlice(slice: Slice): Promise<SliceHashes> {
  const hashes = new Hashes();
  for await (const chunk of chunksOf(slice, { reuse: true })) hashes.update(chunk);
  return hashes.digest();
}

class Hashes {
  readonly #md5 = createHash("md5");
  readonly #sha256 = createHash("sha256");

  update(bytes: Uint8Array): void {
    this.#md5.update(bytes);
    this.#sha256.update(bytes);
  }

  digest(): SliceHashes {
    const md5 = this.#md5.digest();
    return {
      md5: md5.toString("base64"),
      md5Hex: md5.toString("hex"),
      sha256: this.#sha256.digest("hex"),
    };
  }
}

/** The SHA-256 of a whole file in hexadecimal. */
export async function sha256OfFile(path: string, size: number): Promise<string> {
  const hash = createHash("sha256");
  const whole = { path, offset: 0, length: size };
  for await (const chunk of chunksOf(whole, { reuse: true })) hash.update(chunk);
  return hash.digest("hex");
}

/** A slice as a request's body; the file is opened by the first read. */
export function streamSlice(slice: Slice): ReadableStream<Uint8Array> {
  const chunks = chunksOf(slice);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
}

/** With `reuse`, a chunk is good until the next one is asked for. */
async function* chunksOf(
  { path, offset, length }: Slice,
  { reuse = false } = {},
): AsyncGenerator<Uint8Array> {
  const shared = new Uint8Array(reuse ? CHUNK : 0);
  using file = await Deno.open(path, { read: true });
  if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  for (let left = length; left > 0;) {
    const size = Math.min(CHUNK, left);
    const chunk = reuse ? shared.subarray(0, size) : new Uint8Array(size);
    const read = await file.read(chunk);
    if (read === null) {
      throw new DaemonError("DATA_LOSS", `The spool file ${path} ends ${left} bytes too early`);
    }
    left -= read;
    yield chunk.subarray(0, read);
  }
}
