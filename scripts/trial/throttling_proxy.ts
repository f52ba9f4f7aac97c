/** A proxy that passes what a server answers slowly, as a congested network does. */

/** Milliseconds between two pieces. */
const TICK = 100;

/** Connections to it are connections to `upstream`, whose answers come at so many bytes a second each. */
export class ThrottlingProxy implements Disposable {
  readonly #listener: Deno.TcpListener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #upstream: { hostname: string; port: number };
  /** Bytes a second of each connection; it may be changed at any time. */
  bytesPerSecond: number = Infinity;

  constructor(upstream: { hostname: string; port: number }) {
    this.#upstream = upstream;
    this.#accept();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#serve(client).catch(() => {});
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const server = await Deno.connect(this.#upstream);
    for (const one of [client, server]) this.#connections.add(one);
    const asked = client.readable.pipeTo(server.writable);
    const answered = server.readable.pipeThrough(this.#throttle()).pipeTo(client.writable);
    await Promise.allSettled([asked, answered]);
    for (const one of [client, server]) this.#connections.delete(one);
  }

  #throttle(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
    return new TransformStream({
      transform: async (chunk, controller) => {
        for (let at = 0; at < chunk.length;) {
          const piece = Math.max(1, Math.floor(this.bytesPerSecond * TICK / 1000));
          const end = Math.min(chunk.length, at + piece);
          controller.enqueue(chunk.subarray(at, end));
          at = end;
          if (this.bytesPerSecond < Infinity) await new Promise((wake) => setTimeout(wake, TICK));
        }
      },
    });
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const one of this.#connections) {
      try {
        one.close();
      } catch {
        // It is closed already.
      }
    }
  }
}
