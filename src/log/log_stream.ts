import { resolvesWithin } from "../async/mod.ts";
import { systemClock } from "../clock.ts";

/** What a {@link LogStream} writes to. */
export interface Destination {
  /** Writes some of the bytes and resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Options of a {@link LogStream}. */
export interface LogStreamOptions {
  /** Bytes that may wait; 1 MiB unless given. */
  capacity?: number;
  /** Called once lines are written again, with the number of lines that were dropped meanwhile. */
  onResumed?: (dropped: number) => void;
}

/** Bytes of one write, unless a single line is longer. */
const CHUNK_BYTES = 64 << 10;
/** Milliseconds until a destination that is not ready (it does not block) is tried again. */
const NOT_READY_DELAY = 50;

/**
 * A bounded queue of lines before a destination that may be slow or gone: writing returns at once, and
 * lines that find the queue full are dropped and counted.
 */
export class LogStream {
  readonly #to: Destination;
  readonly #capacity: number;
  readonly #encoder = new TextEncoder();
  readonly #lines: Uint8Array[] = [];
  #queuedBytes = 0;
  #pump: Promise<void> | undefined;
  #droppedSinceWrite = 0;
  #counter = new Int32Array(new SharedArrayBuffer(4));
  onResumed: ((dropped: number) => void) | undefined;

  constructor(to: Destination, { capacity = 1 << 20, onResumed }: LogStreamOptions = {}) {
    this.#to = to;
    this.#capacity = capacity;
    this.onResumed = onResumed;
  }

  /** Counts dropped lines in memory that other threads count in, too. */
  countIn(counter: SharedArrayBuffer): void {
    this.#counter = new Int32Array(counter);
  }

  /** Queues text that ends with a newline. Returns at once and never throws. */
  write(text: string): void {
    const line = this.#encoder.encode(text);
    if (this.#queuedBytes > 0 && this.#queuedBytes + line.length > this.#capacity) {
      return this.#drop(1);
    }
    this.#lines.push(line);
    this.#queuedBytes += line.length;
    this.#pump ??= this.#writeAll();
  }

  /** Waits until what was queued is written or dropped, for so many milliseconds at most. */
  async flush(milliseconds: number): Promise<void> {
    if (this.#pump) await resolvesWithin(this.#pump, milliseconds, systemClock);
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#nextLines();
      const written = await this.#writeLines(lines);
      this.#queuedBytes -= lengthOf(lines);
      if (written < lines.length) this.#drop(lines.length - written);
      if (written > 0) this.#resumed();
    }
    // Nothing was awaited since the queue was seen empty, so no line was added.
    this.#pump = undefined;
  }

  #nextLines(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      bytes += line.length;
      if (count > 0 && bytes > CHUNK_BYTES) break;
      count++;
    }
    return this.#lines.splice(0, count);
  }

  /** Writes lines in one piece. @returns how many were written whole */
  async #writeLines(lines: readonly Uint8Array[]): Promise<number> {
    const bytes = new Uint8Array(lengthOf(lines));
    let end = 0;
    for (const line of lines) {
      bytes.set(line, end);
      end += line.length;
    }
    let written = 0;
    try {
      while (written < bytes.length) written += await this.#writeSome(bytes.subarray(written));
    } catch {
      // Nobody reads, or the disk is full; there is nowhere to report that.
    }
    let whole = 0;
    for (let rest = written; whole < lines.length && lines[whole]!.length <= rest; whole++) {
      rest -= lines[whole]!.length;
    }
    return whole;
  }

  async #writeSome(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#to.write(bytes);
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await new Promise((resolve) => setTimeout(resolve, NOT_READY_DELAY));
      return 0;
    }
  }

  #drop(lines: number): void {
    this.#droppedSinceWrite += lines;
    Atomics.add(this.#counter, 0, lines);
  }

  #resumed(): void {
    const dropped = this.#droppedSinceWrite;
    if (dropped === 0) return;
    this.#droppedSinceWrite = 0;
    this.onResumed?.(dropped);
  }
}

function lengthOf(lines: readonly Uint8Array[]): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}
