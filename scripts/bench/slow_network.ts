/** A network between a daemon and a server on this machine: a TCP proxy with a latency and a rate. */

/** What the network is like. */
export interface NetworkOptions {
  /** Port of the server on this machine. */
  readonly port: number;
  /** Milliseconds that a question and its answer are under way, half of them each. */
  readonly roundTripMs: number;
  /** Bytes a second of all answers together. */
  readonly bytesPerSecond: number;
}

/** The most bytes that the network takes at a time. */
const PIECE = 32 << 10;
/** The most pieces that are under way on one connection. */
const WINDOW = 64;

/** A proxy that listens on a port of its own, until it is disposed of. */
export class SlowNetwork implements AsyncDisposable {
  readonly #options: NetworkOptions;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;
  /** When the line is free again, as `performance.now()` tells it. */
  #freeAt = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#accepting = this.#accept();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#connect(client).catch(() => {}).finally(() => {
        close(client);
        this.#open.delete(client);
      });
    }
  }

  async #connect(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    const { port, roundTripMs } = this.#options;
    // The handshake, which the kernel has made on loopback.
    await sleep(roundTripMs);
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#open.add(server);
    try {
      const free = () => performance.now();
      await Promise.race([
        this.#pass(client, server, free),
        this.#pass(server, client, (bytes) => this.#reserve(bytes)),
      ]);
    } finally {
      close(server);
      this.#open.delete(server);
    }
  }

  /**
   * Passes bytes on until one side ends.
   * @param reserve returns when the line has taken so many bytes
   */
  async #pass(from: Deno.Conn, to: Deno.Conn, reserve: (bytes: number) => number): Promise<void> {
    const { roundTripMs } = this.#options;
    const underWay: Promise<void>[] = [];
    let last: Promise<void> = Promise.resolve();
    for (;;) {
      const buffer = new Uint8Array(PIECE);
      const count = await from.read(buffer);
      if (count === null) break;
      const taken = reserve(count);
      const before = last;
      last = (async () => {
        await sleep(taken + roundTripMs / 2 - performance.now());
        await before;
        await writeAll(to, buffer.subarray(0, count));
      })();
      last.catch(() => {});
      underWay.push(last);
      if (underWay.length > WINDOW) await underWay.shift();
    }
    await last;
  }

  #reserve(bytes: number): number {
    const start = Math.max(this.#freeAt, performance.now());
    this.#freeAt = start + bytes / this.#options.bytesPerSecond * 1000;
    return this.#freeAt;
  }
}

function sleep(milliseconds: number): Promise<void> {
  if (milliseconds <= 0) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
