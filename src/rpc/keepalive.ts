/**
 * Finds out which connections have nobody behind them any more, and closes those.
 *
 * grpc-js can do so too, but by one timer: where the thread was busy for longer than an answer may take, that
 * timer fires before the answer is read that has come meanwhile, and a healthy connection is closed with all
 * its calls.
 */

import type { EventEmitter } from "node:events";
import type { ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { logger } from "../log/mod.ts";

const log = logger("rpc");

/** Steps in which the time of an answer passes. A thread that is busy for longer takes one. */
const STEPS = 10;

/** When connections are asked; milliseconds. */
export interface KeepaliveTimes {
  /** From one answer to the next question. */
  readonly keepaliveTime: number;
  /** How long an answer may take, not counting how long the thread has not listened. */
  readonly keepaliveTimeout: number;
}

/** Has a server that is bound ask its clients by PING, and close the connections of those that are silent. */
export function keepAlive(server: Server, times: KeepaliveTimes): void {
  const listeners: Map<EventEmitter, unknown> = Reflect.get(server, "http2Servers");
  for (const listener of listeners.keys()) {
    listener.on("session", (session: ServerHttp2Session) => new Keepalive(session, times).begin());
  }
}

/** The questions to one connection. */
class Keepalive {
  readonly #session: ServerHttp2Session;
  readonly #times: KeepaliveTimes;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: ServerHttp2Session, times: KeepaliveTimes) {
    this.#session = session;
    this.#times = times;
  }

  begin(): void {
    this.#session.once("close", () => clearTimeout(this.#timer));
    this.#wait();
  }

  #wait(): void {
    this.#after(this.#times.keepaliveTime, () => this.#ask());
  }

  #ask(): void {
    try {
      const isSent = this.#session.ping((error: Error | null) => {
        if (this.#session.destroyed) return;
        if (error) this.#end(error.message);
        else this.#wait();
      });
      if (!isSent) return this.#end("it takes no PING");
    } catch (error) {
      return this.#end(error instanceof Error ? error.message : String(error));
    }
    this.#listen(STEPS);
  }

  #listen(steps: number): void {
    const { keepaliveTimeout } = this.#times;
    if (steps === 0) return this.#end(`it has not answered for ${keepaliveTimeout} ms`);
    this.#after(keepaliveTimeout / STEPS, () => this.#listen(steps - 1));
  }

  #after(milliseconds: number, action: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#session.destroyed) this.#timer = setTimeout(action, milliseconds);
  }

  #end(problem: string): void {
    clearTimeout(this.#timer);
    const { remoteAddress = "unknown", remotePort = 0 } = this.#session.socket ?? {};
    log.info("The connection of {peer} is closed: {problem}", {
      peer: `${remoteAddress}:${remotePort}`,
      problem,
    });
    this.#session.destroy();
  }
}
