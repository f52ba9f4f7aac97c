/** Frees or reuses memory without waiting for the garbage collector. */

/**
 * Frees the memory of bytes that nobody needs any more. The garbage collector would leave a hundred
 * megabytes of it allocated before it runs. Does nothing where other views may share the buffer.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Maximum number of unused buffers that are kept. */
const MAX_KEPT = 4;

/**
 * A pool of buffers of one size. Allocating one for each use would cost clearing and page faults, and
 * would leave its memory to the garbage collector.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  /** @param size bytes of each buffer */
  constructor(size: number) {
    this.#size = size;
  }

  /** Returns a buffer of arbitrary content, which the caller owns until it gives it back. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBack(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#free.length < MAX_KEPT) this.#free.push(buffer);
    else release(buffer);
  }
}

/** V8's own function, which is there where V8 was told `--expose-gc`. */
type Collect = (
  options: { type: "major"; execution: "sync"; flavor: "last-resort" | "regular" },
) => void;

/** Milliseconds after which what a start leaves undone is done, too. */
const AFTER_START = 1000;

/**
 * Has V8 free what the start of this thread has left, a second from now: garbage, and code that ran
 * once. An idle thread would keep it for ever, as nothing makes it collect. Does nothing where V8 was
 * not told to expose its collector.
 */
export function collectAfterStart(): void {
  const { gc } = globalThis as { gc?: Collect };
  if (gc === undefined) return;
  const timer = setTimeout(
    // Code that has run is freed by no other kind of collection.
    () => gc({ type: "major", execution: "sync", flavor: "last-resort" }),
    AFTER_START,
  );
  Deno.unrefTimer(timer);
}
