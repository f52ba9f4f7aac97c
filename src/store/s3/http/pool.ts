/** Keeps idle connections for the next requests to the same server. */

import type { Clock } from "../../../clock.ts";
import { DaemonError } from "../../../errors.ts";
import { HttpConnection, type Origin } from "./connection.ts";

/** How long an idle connection is kept at most. Milliseconds. */
const IDLE_MS = 15_000;
/** A connection is closed this long before the server would, so that no request meets that. Milliseconds. */
const MARGIN_MS = 1000;

/** A connection for one exchange; given back, or destroyed, by its end. */
export interface PooledConnection {
  connection: HttpConnection;
  origin: Origin;
  /** Whether it served another exchange before, so that the server may just be closing it. */
  reused: boolean;
}

/** An idle connection, and what ends the timer of its expiry. */
interface Idle {
  connection: HttpConnection;
  taken: AbortController;
}

/** The connections of one client. Its owner closes it. */
export class ConnectionPool {
  readonly #clock: Clock;
  readonly #ca: readonly string[];
  /** Idle connections by origin; the one used last is taken first. */
  readonly #idle = new Map<string, Idle[]>();
  readonly #all = new Set<HttpConnection>();
  #closed = false;

  /** @param ca PEM certificates, the only ones that are trusted */
  constructor(clock: Clock, ca: readonly string[]) {
    this.#clock = clock;
    this.#ca = ca;
  }

  /**
   * Returns an idle connection, or a new one that is being opened.
   * @throws {DaemonError} UNAVAILABLE after {@link close}
   */
  take(origin: Origin): PooledConnection {
    if (this.#closed) throw closedError();
    const idle = this.#idle.get(keyOf(origin)) ?? [];
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      kept.taken.abort();
      const { connection } = kept;
      if (connection.isQuiet) return { connection, origin, reused: true };
      connection.destroy(new Error("the server closed an idle connection"));
    }
    const connection = new HttpConnection(origin, this.#ca);
    this.#all.add(connection);
    connection.onFailure(() => this.#forget(origin, connection));
    return { connection, origin, reused: false };
  }

  /**
   * Takes back a connection whose exchange is complete, and keeps it for a while.
   * @param keepMs how long the server keeps it; milliseconds
   */
  giveBack({ connection, origin }: PooledConnection, keepMs = Infinity): void {
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
   * Closes the idle connections to `origin`: a server that closed one idle connection, as by a restart,
   * has closed the others.
   */
  dropIdle(origin: Origin): void {
    for (const { connection } of [...this.#idle.get(keyOf(origin)) ?? []]) {
      connection.destroy(new Error("the server closed its idle connections"));
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

/** Returns the error of requests that are running when their store is closed. */
export function closedError(): DaemonError {
  return new DaemonError("UNAVAILABLE", "The store was closed", { reason: "SHUTTING_DOWN" });
}
