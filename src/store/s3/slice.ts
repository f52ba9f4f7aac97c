/** Hashes and streams ranges of spool files, in pieces, so that none is held in memory whole. */

import { createHash } from "node:crypto";
import { DaemonError } from "../../errors.ts";

/** Bytes read at a time. */
const CHUNK = 256 << 10;

/** A range of a file. */
export interface Slice {
  /** Absolute. */
  path: string;
  /** Bytes. */
  offset: number;
  /** Bytes. */
  length: number;
}

/** The hashes that an upload is checked by. */
export interface SliceHashes {
  /** The MD5 in base64, as `Content-MD5` has it. */
  md5: string;
  /** The MD5 in hexadecimal. */
  md5Hex: string;
  /** Hexadecimal. */
  sha256: string;
}

/** Returns the hashes of bytes in memory. */
export function hashesOf(bytes: Uint8Array): SliceHashes {
  const hashes = new Hashes();
  hashes.update(bytes);
  return hashes.digest();
}

/** Reads a slice and returns its hashes, which the headers of its upload need. */
export async function hashSlice(slice: Slice): Promise<SliceHashes> {
  const hashes = new Hashes();
  for await (const chunk of chunksOf(slice)) hashes.update(chunk);
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

/**
 * Returns the SHA-256 of a whole file in hexadecimal.
 * @throws {DaemonError} DATA_LOSS where it has fewer than `size` bytes
 */
export async function sha256OfFile(path: string, size: number): Promise<string> {
  const hash = createHash("sha256");
  const whole = { path, offset: 0, length: size };
  for await (const chunk of chunksOf(whole)) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Returns a slice as a request's body. The stream is of the type "bytes", so that it fills its reader's
 * memory. The first read opens the file; the end, an error and a cancellation close it.
 */
export function streamSlice({ path, offset, length }: Slice): ReadableStream<Uint8Array> {
  let file: Deno.FsFile | undefined;
  let left = length;
  let isClosed = false;
  const close = () => {
    isClosed = true;
    file?.close();
    file = undefined;
  };
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    async pull(controller) {
      const request = controller.byobRequest!;
      if (left === 0) {
        close();
        controller.close();
        request.respond(0);
        return;
      }
      try {
        file ??= await openAt(path, offset);
        // The stream may have been cancelled while the file was being opened.
        if (isClosed) return close();
        const view = new Uint8Array(request.view!.buffer, request.view!.byteOffset);
        const read = await file.read(view.subarray(0, left));
        if (read === null) throw endsEarly(path, left);
        left -= read;
        request.respond(read);
      } catch (error) {
        close();
        throw error;
      }
    },
    cancel: close,
  });
}

/** Yields a slice's bytes; each chunk is valid until the next one is requested. */
async function* chunksOf({ path, offset, length }: Slice): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK);
  using file = await openAt(path, offset);
  for (let left = length; left > 0;) {
    const chunk = buffer.subarray(0, left);
    const read = await file.read(chunk);
    if (read === null) throw endsEarly(path, left);
    left -= read;
    yield chunk.subarray(0, read);
  }
}

async function openAt(path: string, offset: number): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true });
  if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  return file;
}

function endsEarly(path: string, left: number): DaemonError {
  return new DaemonError("DATA_LOSS", `The spool file ${path} ends ${left} bytes too early`);
}
