/**
 * The gate: a SOCKS5 proxy (RFC 1928, RFC 1929) on loopback through which everything that callers
 * name leaves, downloads and Git over http(s) alike. It resolves the host, checks the addresses and
 * connects to one that it checked; a redirect, a submodule or a rewritten URL is a connection like
 * any other. TLS stays between the client and the host.
 *
 * Who may pass has a pass, whose password changes with each operation.
 */

import { once } from "node:events";
import type { Socket } from "node:net";
import { messageOf } from "../errors.ts";
import { dial, OutboundRefused } from "./dial.ts";
import type { OutboundRules } from "./policy.ts";
import { passwordReply, readConnect, readPassword, REPLY, reply, writeAll } from "./socks.ts";

/** Leave to connect through the gate, for one operation. */
export interface ProxySession extends Disposable {
  /** `socks5h://…` with the pass's secret; for a client's proxy setting. */
  readonly proxyUrl: string;
  /** Why connections were refused by the rules, in order. */
  readonly refusals: readonly string[];
  /** Connections that failed for other reasons. */
  readonly failures: readonly string[];
  /** Forgets refusals and failures, for another attempt. */
  reset(): void;
}

interface Holder {
  refusals: string[];
  failures: string[];
  abort: AbortController;
}

/** Where the gate listens, and its clients connect; a process with narrow permissions needs it. */
export const EGRESS_PROXY_HOST = "127.0.0.1";

/** A handshake takes longer only where no client of ours is speaking. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

const CHUNK = 64 * 1024;

/** A gate with its rules; it listens from the first pass on. */
export class EgressProxy implements Disposable {
  readonly rules: OutboundRules;
  readonly #holders = new Map<string, Holder>();
  #listener: Deno.TcpListener | undefined;

  constructor(rules: OutboundRules) {
    this.rules = rules;
  }

  /** A new pass; disposing of it ends its connections. */
  pass(): ProxySession {
    const { port } = this.#listen().addr;
    const secret = crypto.randomUUID();
    const holder: Holder = { refusals: [], failures: [], abort: new AbortController() };
    this.#holders.set(secret, holder);
    return {
      proxyUrl: `socks5h://pass:${secret}@${EGRESS_PROXY_HOST}:${port}`,
      refusals: holder.refusals,
      failures: holder.failures,
      reset() {
        holder.refusals.length = 0;
        holder.failures.length = 0;
      },
      [Symbol.dispose]: () => {
        this.#holders.delete(secret);
        holder.abort.abort();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#listener?.close();
    this.#listener = undefined;
    for (const { abort } of this.#holders.values()) abort.abort();
    this.#holders.clear();
  }

  #listen(): Deno.TcpListener & { addr: Deno.NetAddr } {
    if (!this.#listener) {
      this.#listener = Deno.listen({ hostname: EGRESS_PROXY_HOST, port: 0 });
      // The gate must not keep a process alive that has nothing else to do.
      this.#listener.unref();
      void this.#serve(this.#listener);
    }
    return this.#listener as Deno.TcpListener & { addr: Deno.NetAddr };
  }

  async #serve(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let client: Deno.TcpConn;
      try {
        client = await listener.accept();
      } catch (error) {
        if (this.#listener !== listener) return;
        // Out of descriptors, or a client that was gone at once: the next one may fare better.
        if (error instanceof Deno.errors.BadResource) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      void this.#admit(client);
    }
  }

  async #admit(client: Deno.TcpConn): Promise<void> {
    try {
      using handshake = closeAfter(client, HANDSHAKE_TIMEOUT_MS);
      const holder = this.#holders.get(await readPassword(client));
      await writeAll(client, passwordReply(holder !== undefined));
      if (!holder) return;
      const { host, port } = await readConnect(client);
      handshake.stop();
      const upstream = await this.#dial(holder, host, port);
      if (upstream instanceof Error) {
        const refused = upstream instanceof OutboundRefused;
        await writeAll(client, reply(refused ? REPLY.notAllowed : REPLY.unreachable));
      } else {
        await join(client, upstream, holder.abort.signal);
      }
    } catch {
      // A client that breaks off, or does not speak SOCKS: there is nobody to tell.
    } finally {
      close(client);
    }
  }

  /** Notes in the pass why there is no connection. */
  async #dial(holder: Holder, host: string, port: number): Promise<Socket | Error> {
    try {
      return await dial(this.rules, host, port, holder.abort.signal);
    } catch (error) {
      const refused = error instanceof OutboundRefused;
      (refused ? holder.refusals : holder.failures).push(messageOf(error));
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }
}

/** Says that the way is free, and carries bytes both ways until both sides are done, or the pass ends. */
async function join(client: Deno.TcpConn, upstream: Socket, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const cut = () => {
    done.abort();
    upstream.destroy();
    close(client);
  };
  upstream.on("error", cut);
  signal.addEventListener("abort", cut);
  try {
    signal.throwIfAborted();
    await writeAll(client, reply(REPLY.succeeded));
    await Promise.all([send(client, upstream, done.signal), receive(upstream, client)]);
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

async function send(from: Deno.TcpConn, to: Socket, signal: AbortSignal): Promise<void> {
  for (;;) {
    const chunk = new Uint8Array(CHUNK);
    const length = await from.read(chunk);
    if (length === null) return void to.end();
    if (!to.write(chunk.subarray(0, length))) await once(to, "drain", { signal });
  }
}

async function receive(from: Socket, to: Deno.TcpConn): Promise<void> {
  for await (const chunk of from as AsyncIterable<Uint8Array>) await writeAll(to, chunk);
  await to.closeWrite();
}

function closeAfter(connection: Deno.TcpConn, ms: number): Disposable & { stop(): void } {
  const timer = setTimeout(() => close(connection), ms);
  const stop = () => clearTimeout(timer);
  return { stop, [Symbol.dispose]: stop };
}

/** Ends a client's connection; without the first step, one that is being read stays open. */
function close(connection: Deno.TcpConn): void {
  connection.closeWrite().catch(() => {}).finally(() => {
    try {
      connection.close();
    } catch {
      // Closed already.
    }
  });
}
