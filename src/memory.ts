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

/** V8's own function. */
type Collect = (
  options: { type: "major"; execution: "sync"; flavor: "last-resort" | "regular" },
) => void;

/** Milliseconds after which what a start leaves undone is done, too. */
const AFTER_START = 10_000;

/**
 * Has V8 free what the start of this thread has left, seconds from now: garbage, and code that ran
 * once. An idle thread would keep it for ever, as nothing makes it collect.
 */
export function collectAfterStart(): void {
  Deno.unrefTimer(setTimeout(() => void collectAll(), AFTER_START));
}

async function collectAll(): Promise<void> {
  const [v8, vm] = await Promise.all([import("node:v8"), import("node:vm")]);
  // On Deno's command line this would cost every thread the compiled code of Deno's own snapshot.
  v8.setFlagsFromString("--expose-gc");
  const collect: Collect | undefined = vm.runInNewContext("globalThis.gc");
  // No other kind of collection frees code that has run.
  collect?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
