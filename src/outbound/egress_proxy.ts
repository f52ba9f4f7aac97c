/**
 * The egress proxy: a SOCKS5 proxy (RFC 1928, RFC 1929) on loopback for every connection to a host that
 * a caller names, of downloads and of Git over http(s) alike. It resolves the host, checks the addresses
 * and connects to one that it checked; a redirect, a submodule or a rewritten URL is a connection like
 * any other. TLS stays between the client and the host.
 *
 * Clients authenticate with the password of a session, which each operation opens for itself.
 */

import { once } from "node:events";
import type { Socket } from "node:net";
import { messageOf } from "../errors.ts";
import { currentOperation, type Progress } from "../operations/mod.ts";
import { dial, OutboundRefused } from "./dial.ts";
import type { OutboundRules } from "./policy.ts";
import type { UpstreamProxy } from "./upstream_proxy.ts";
import { passwordReply, readConnect, readPassword, REPLY, reply, writeAll } from "./socks.ts";

/** The right to connect through the egress proxy, for one operation; disposing of it ends its connections. */
export interface ProxySession extends Disposable {
  /** `socks5h://…` with the session's password; for a client's proxy setting. */
  readonly proxyUrl: string;
  /** Why the rules refused connections, in order. */
  readonly refusals: readonly string[];
  /** Why other connections failed, in order. */
  readonly failures: readonly string[];
  /**
   * Clears refusals and failures, for another attempt.
   * @param connections how many connections it may make; any number unless given
   */
  reset(connections?: number): void;
}

/** What the proxy knows of a session. */
interface SessionState {
  refusals: string[];
  failures: string[];
  /** How many connections it may still make. */
  connectionsLeft: number;
  abort: AbortController;
  /** Where bytes are counted that come through it: the operation's that it was opened in. */
  progress: Progress | undefined;
}

/** The address that the egress proxy listens on and its clients connect to. */
export const EGRESS_PROXY_HOST = "127.0.0.1";

/** Bounds a handshake, which takes longer only where the client is none of the daemon's. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

const CHUNK_BYTES = 64 * 1024;

/** What the network around the node asks of connections. */
export interface NetworkOptions {
  /** What connects to hosts that are not reached directly; absent for none. */
  proxy?: UpstreamProxy;
  /** PEM certificates of authorities that clients of the egress proxy trust besides the usual ones. */
  authorities?: string;
}

/** An egress proxy with its rules; it listens from the first session on. */
export class EgressProxy implements Disposable {
  readonly rules: OutboundRules;
  /** See {@link NetworkOptions}. */
  readonly authorities: string | undefined;
  readonly #upstream: UpstreamProxy | undefined;
  readonly #sessions = new Map<string, SessionState>();
  #listener: Deno.TcpListener | undefined;

  constructor(rules: OutboundRules, { proxy, authorities }: NetworkOptions = {}) {
    this.rules = rules;
    this.authorities = authorities;
    this.#upstream = proxy;
  }

  /** Opens a session. The caller owns it and disposes of it. @throws where no port can be listened on */
  openSession(): ProxySession {
    const { port } = this.#listen().addr;
    const secret = crypto.randomUUID();
    const session: SessionState = {
      refusals: [],
      failures: [],
      connectionsLeft: Infinity,
      abort: new AbortController(),
      progress: currentOperation()?.progress,
    };
    this.#sessions.set(secret, session);
    return {
      proxyUrl: `socks5h://pass:${secret}@${EGRESS_PROXY_HOST}:${port}`,
      refusals: session.refusals,
      failures: session.failures,
      reset(connections = Infinity) {
        session.connectionsLeft = connections;
        session.refusals.length = 0;
        session.failures.length = 0;
      },
      [Symbol.dispose]: () => {
        this.#sessions.delete(secret);
        session.abort.abort();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#listener?.close();
    this.#listener = undefined;
    for (const { abort } of this.#sessions.values()) abort.abort();
    this.#sessions.clear();
  }

  #listen(): Deno.TcpListener & { addr: Deno.NetAddr } {
    if (!this.#listener) {
      this.#listener = Deno.listen({ hostname: EGRESS_PROXY_HOST, port: 0 });
      // The listener must not keep a process alive that has nothing else to do.
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
        // Out of descriptors, or the client has disconnected already: the next one may be accepted.
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
      const session = this.#sessions.get(await readPassword(client));
      await writeAll(client, passwordReply(session !== undefined));
      if (!session) return;
      const { host, port } = await readConnect(client);
      handshake.stop();
      if (session.connectionsLeft <= 0) {
        await writeAll(client, reply(REPLY.notAllowed));
        return;
      }
      const upstream = await this.#dial(session, host, port);
      if (upstream instanceof Error) {
        const refused = upstream instanceof OutboundRefused;
        await writeAll(client, reply(refused ? REPLY.notAllowed : REPLY.unreachable));
      } else {
        session.connectionsLeft--;
        await join(client, upstream, session);
      }
    } catch {
      // The client disconnected or does not speak SOCKS: the error has no reader.
    } finally {
      close(client);
    }
  }

  /** Connects to a host, and records in the session why it could not. */
  async #dial(session: SessionState, host: string, port: number): Promise<Socket | Error> {
    try {
      return await dial(this.rules, host, port, session.abort.signal, this.#upstream);
    } catch (error) {
      const refused = error instanceof OutboundRefused;
      (refused ? session.refusals : session.failures).push(messageOf(error));
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }
}

/** Confirms the connection, and forwards bytes both ways until both sides are done or the session ends. */
async function join(
  client: Deno.TcpConn,
  upstream: Socket,
  { abort: { signal }, progress }: SessionState,
): Promise<void> {
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
    await Promise.all([send(client, upstream, done.signal), receive(upstream, client, progress)]);
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

async function send(from: Deno.TcpConn, to: Socket, signal: AbortSignal): Promise<void> {
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const length = await from.read(chunk);
    if (length === null) return void to.end();
    if (!to.write(chunk.subarray(0, length))) await once(to, "drain", { signal });
  }
}

async function receive(
  from: Socket,
  to: Deno.TcpConn,
  progress: Progress | undefined,
): Promise<void> {
  for await (const chunk of from as AsyncIterable<Uint8Array>) {
    progress?.addTransferred(chunk.length);
    await writeAll(to, chunk);
  }
  await to.closeWrite();
}

function closeAfter(connection: Deno.TcpConn, ms: number): Disposable & { stop(): void } {
  const timer = setTimeout(() => close(connection), ms);
  const stop = () => clearTimeout(timer);
  return { stop, [Symbol.dispose]: stop };
}

/** Closes a client's connection; without `closeWrite`, one that is being read stays open. */
function close(connection: Deno.TcpConn): void {
  connection.closeWrite().catch(() => {}).finally(() => {
    try {
      connection.close();
    } catch {
      // Closed already.
    }
  });
}
