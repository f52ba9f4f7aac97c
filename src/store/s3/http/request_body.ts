/** Reads the body of a request piece by piece, and checks that it has the announced length. */

/** Bytes that are passed to the socket at a time. */
const CHUNK = 256 << 10;

/** The body of a request. */
export interface BodySource {
  /** Bytes. */
  readonly length: number;
  /**
   * Returns the next bytes, valid until the next call; `undefined` after the last.
   * @throws {TypeError} where the body has another length than announced
   */
  next(): Promise<Uint8Array | undefined>;
  /** Closes the source of bytes that are still to come. */
  close(): void;
}

/**
 * Opens the body of a request: nothing, a string, bytes, or a stream of `length` bytes. A stream of
 * the type "bytes" is read into one buffer from its beginning to its end.
 * @throws {TypeError} for any other body, and for a stream whose length is not known
 */
export function openBody(body: unknown, length: number | undefined): BodySource {
  if (body === undefined || body === null) return new BytesSource(new Uint8Array());
  if (typeof body === "string") return new BytesSource(new TextEncoder().encode(body));
  if (body instanceof Uint8Array) return new BytesSource(body);
  if (!(body instanceof ReadableStream)) throw new TypeError("Cannot send a body of this kind");
  if (length === undefined) throw new TypeError("Cannot send a stream whose length is not given");
  return new StreamSource(body, length);
}

class BytesSource implements BodySource {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  next(): Promise<Uint8Array | undefined> {
    const chunk = this.#bytes.subarray(this.#at, this.#at + CHUNK);
    this.#at += chunk.length;
    return Promise.resolve(chunk.length > 0 ? chunk : undefined);
  }

  close(): void {}
}

class StreamSource implements BodySource {
  readonly length: number;
  readonly #cancel: () => Promise<void>;
  readonly #read: () => Promise<Uint8Array | undefined>;
  #delivered = 0;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>, length: number) {
    this.length = length;
    const reader = byobReader(stream);
    if (reader) {
      let buffer = new Uint8Array(CHUNK);
      this.#read = async () => {
        const { done, value } = await reader.read(buffer);
        if (value) buffer = new Uint8Array(value.buffer);
        return done ? undefined : value;
      };
      this.#cancel = () => reader.cancel();
    } else {
      const plain = stream.getReader();
      this.#read = async () => (await plain.read()).value;
      this.#cancel = () => plain.cancel();
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    const chunk = await this.#read();
    this.#delivered += chunk?.length ?? 0;
    if (this.#delivered > this.length || (!chunk && this.#delivered < this.length)) {
      throw new TypeError(`The body is not of the ${this.length} bytes that were announced`);
    }
    return chunk;
  }

  close(): void {
    this.#cancel().catch(() => {});
  }
}

function byobReader(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
