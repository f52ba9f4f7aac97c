/** Tells operators of certificates that end soon, while there is time to renew them. */

import {
  certificateExpiries,
  type CertificateExpiry,
  expiryWarning,
  type TlsMaterial,
} from "../certificates.ts";
import type { Clock } from "../clock.ts";
import { logger } from "../log/mod.ts";
import type { DaemonMetrics } from "./daemon_metrics.ts";

const log = logger("daemon");

/** Milliseconds between two warnings of the same certificates. */
const INTERVAL_MS = 86_400_000;

/** Warns once a day of the certificates in use, and serves when they end; until it is disposed of. */
export class CertificateWatch implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #metrics: DaemonMetrics;
  readonly #stop = new AbortController();
  #expiries: readonly CertificateExpiry[] = [];
  #watching: Promise<void> = Promise.resolve();

  constructor(clock: Clock, metrics: DaemonMetrics) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Looks at the material in use once a day. (At the start the preflight checks have warned of it.) */
  start(material: TlsMaterial): void {
    this.#observe(material);
    this.#watching = this.#keepWatching();
  }

  /** Looks at other material from now on, at once. */
  uses(material: TlsMaterial): void {
    this.#observe(material);
    this.#warn();
  }

  #observe(material: TlsMaterial): void {
    this.#expiries = certificateExpiries(material);
    for (const part of ["cert", "clientCa"] as const) {
      const first = this.#expiries.find((expiry) => expiry.part === part);
      if (first) this.#metrics.certificateExpires(part, first.notAfter / 1000);
    }
  }

  /** When the first of the certificates in use ends, in milliseconds since the epoch. */
  get firstEnd(): number | undefined {
    const ends = this.#expiries.map(({ notAfter }) => notAfter);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  #warn(): void {
    for (const expiry of this.#expiries) {
      const warning = expiryWarning(expiry, this.#clock.now());
      if (warning !== undefined) log.warn("TLS: {warning}", { warning });
    }
  }

  async #keepWatching(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await this.#clock.sleep(INTERVAL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.#warn();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}
