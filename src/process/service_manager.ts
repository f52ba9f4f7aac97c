/**
 * Tells systemd how the service does, by the protocol of `sd_notify(3)`: datagrams to the socket that
 * `NOTIFY_SOCKET` names. They are sent by FFI, since Deno sends none to an abstract or unbound address,
 * and not by `systemd-notify`, which would be a process for each, told apart by its pid only.
 */

import { messageOf } from "../errors.ts";
import { DatagramSocket } from "../linux/mod.ts";
import { logger } from "../log/mod.ts";

/** Microseconds of a millisecond. */
const MICROSECONDS = 1000;
/** Milliseconds between two checks of the daemon Worker where no watchdog asks for more. */
const DEFAULT_INTERVAL = 10_000;
/** Checks of the daemon Worker in the time that the watchdog waits for a sign of life. */
const CHECKS_PER_TIMEOUT = 4;

/** Tells systemd what the service does. All methods return at once, and do nothing without systemd. */
export class ServiceManager implements Disposable {
  readonly #socket: DatagramSocket | undefined;
  /** Milliseconds between two checks whether the daemon Worker answers; absent for none. */
  readonly interval: number | undefined;
  readonly #watchdog: boolean;
  #state: "starting" | "serving" | "stopping" = "starting";
  #status = "";
  #isLost = false;

  private constructor(socket: DatagramSocket | undefined, watchdog: number | undefined) {
    this.#socket = socket;
    this.#watchdog = watchdog !== undefined;
    this.interval = socket &&
      Math.min(DEFAULT_INTERVAL, (watchdog ?? Infinity) / CHECKS_PER_TIMEOUT);
  }

  /**
   * Returns the service manager that the environment names. libc is open.
   * @param pid of this process
   */
  static of(env: Readonly<Record<string, string>>, pid: number): ServiceManager {
    const { NOTIFY_SOCKET: address, WATCHDOG_USEC, WATCHDOG_PID } = env;
    if (!address) return new ServiceManager(undefined, undefined);
    const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid;
    const watchdog = isOurs && Number(WATCHDOG_USEC) > 0
      ? Number(WATCHDOG_USEC) / MICROSECONDS
      : undefined;
    try {
      return new ServiceManager(new DatagramSocket(address), watchdog);
    } catch (error) {
      logger("process").warn("Cannot tell the service manager anything: {reason}", {
        reason: messageOf(error),
      });
      return new ServiceManager(undefined, undefined);
    }
  }

  /** Reports that every Worker serves. */
  ready(): void {
    if (this.#state !== "starting") return;
    this.#state = "serving";
    this.#send("READY=1");
  }

  /** Reports that the certificates and the config file are being read again. */
  reloading(): void {
    if (this.#state === "serving") this.#send("RELOADING=1");
  }

  /** Reports that they have been. */
  reloaded(): void {
    if (this.#state === "serving") this.#send("READY=1");
  }

  /** Reports that the service stops. @param limit milliseconds that it takes at most */
  stopping(limit: number): void {
    this.#state = "stopping";
    this.#send("STOPPING=1", `EXTEND_TIMEOUT_USEC=${limit * MICROSECONDS}`);
  }

  /**
   * Reports that the daemon Worker has answered.
   * @param status what it is doing
   */
  alive(status: string): void {
    const lines = this.#watchdog ? ["WATCHDOG=1"] : [];
    // A start may take as long as it must while the Worker answers: state is recovered, trees deleted.
    if (this.#state === "starting") {
      lines.push(`EXTEND_TIMEOUT_USEC=${3 * this.interval! * MICROSECONDS}`);
    }
    if (status !== this.#status) lines.push(`STATUS=${status.replaceAll("\n", " ")}`);
    this.#status = status;
    if (lines.length > 0) this.#send(...lines);
  }

  #send(...lines: string[]): void {
    if (!this.#socket) return;
    try {
      this.#socket.send(new TextEncoder().encode(lines.join("\n")));
      this.#isLost = false;
    } catch (error) {
      if (!this.#isLost) {
        logger("process").warn("Cannot tell the service manager {lines}: {reason}", {
          lines: lines.join(", "),
          reason: messageOf(error),
        });
      }
      this.#isLost = true;
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
  }
}
