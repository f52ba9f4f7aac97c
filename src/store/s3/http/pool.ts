/** Connections that wait for their next request. */

import type { Clock } from "../../../clock.ts";
import { DaemonError } from "../../../errors.ts";
import { HttpConnection, type Origin } from "./connection.ts";

/** How long a connection is kept where the server does not say how long it does; milliseconds. */
const IDLE_MS = 15_000;
/** How much sooner than the server we close a connection, so that the two do not meet. */
const MARGIN_MS = 1000;

/** A connection for one exchange. */
export interface Lease {
  connection: HttpConnection;
  origin: Origin;
  /** Whether it served another exchange before: the server may be about to close it. */
  reused: boolean;
}

/** A kept connection, and what ends the wait for its expiry. */
interface Idle {
  connection: HttpConnection;
  taken: AbortController;
}

export class ConnectionPool {
  readonly #clock: Clock;
  readonly #ca: readonly string[];
  /** By origin; the one used last is taken first. */
  readonly #idle = new Map<string, Idle[]>();
  readonly #all = new Set<HttpConnection>();
  #closed = false;

  /** @param ca PEM certificates; all that are trusted. */
  constructor(clock: Clock, ca: readonly string[]) {
    this.#clock = clock;
    this.#ca = ca;
  }

  /** Returns a kept connection, or one that is being opened. @throws {DaemonError} UNAVAILABLE after
   * {@link close} */
  take(origin: Origin): Lease {
    if (this.#closed) throw closedError();
    const idle = this.#idle.get(keyOf(origin)) ?? [];
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      kept.taken.abort();
      const { connection } = kept;
      if (connection.isQuiet) return { connection, origin, reused: true };
      connection.destroy(new Error("the server closed a kept connection"));
    }
    const connection = new HttpConnection(origin, this.#ca);
    this.#all.add(connection);
    connection.onFailure(() => this.#forget(origin, connection));
    return { connection, origin, reused: false };
  }

  /** Keeps a connection whose exchange is complete. @param keepMs how long the server keeps it */
  giveBack({ connection, origin }: Lease, keepMs = Infinity): void {
    const idleMs = Math.min(IDLE_MS, keepMs - MARGIN_MS);
    if (this.#closed || idleMs <= 0 || !connection.isQuiet) {
      connection.destroy(new Error("the connection is not kept"));
      return;
    }
    const taken = new AbortController();
    const key = keyOf(origin);
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    idle.push({ connection, taken });
    this.#clock.sleep(idleMs, taken.signal).then(
      () => connection.destroy(new Error("the connection was idle for too long")),
      () => {},
    );
  }

  /**
   * Closes what is kept for `origin`: a server that closed one kept connection, as after its
   * restart, has closed the others.
   */
  dropIdle(origin: Origin): void {
    for (const { connection } of [...this.#idle.get(keyOf(origin)) ?? []]) {
      connection.destroy(new Error("the server closed its kept connections"));
    }
  }

  /** Closes every connection; exchanges under way fail. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#all]) connection.destroy(closedError());
  }

  #forget(origin: Origin, connection: HttpConnection): void {
    this.#all.delete(connection);
    const idle = this.#idle.get(keyOf(origin)) ?? [];
    const at = idle.findIndex((kept) => kept.connection === connection);
    if (at >= 0) idle.splice(at, 1)[0]!.taken.abort();
  }
}

function keyOf({ secure, host, port }: Origin): string {
  return `${secure ? "https" : "http"} ${host} ${port}`;
}

/** What requests end in that outlive their store. */
export function closedError(): DaemonError {
  return new DaemonError("UNAVAILABLE", "The store was closed");
}
