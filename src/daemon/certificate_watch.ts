/** Tells operators of certificates that end soon, while there is time to renew them. */

import {
  certificateExpiries,
  type CertificateExpiry,
  expiryWarning,
  type TlsMaterial,
} from "../certificates.ts";
import type { NodeCertificate, NodeProblem } from "../admin/mod.ts";
import { repeat } from "../async/mod.ts";
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
  /** Why SIGHUP has found others that cannot be used, and when; milliseconds since the epoch. */
  #refused: { message: string; since: number } | undefined;
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
    this.#refused = undefined;
    this.#metrics.certificatesReloaded(true);
    this.#observe(material);
    this.#warn();
  }

  /** Notes that others were to be used and cannot be. */
  refuses(message: string): void {
    this.#refused = { message, since: this.#clock.now() };
    this.#metrics.certificatesReloaded(false);
  }

  /** Returns the certificates in use; the one that ends first comes first. */
  certificates(): NodeCertificate[] {
    return this.#expiries.map(({ part, path, subject, notAfter }) => ({
      part,
      path,
      subject,
      notAfter,
    }));
  }

  /** Returns what is wrong with those in use, and with those that SIGHUP has found last. */
  problems(): NodeProblem[] {
    const now = this.#clock.now();
    const expiring = this.#expiries.flatMap((expiry) => {
      const message = expiryWarning(expiry, now);
      return message === undefined
        ? []
        : [{ reason: reasonOf(expiry, now), part: expiry.part, message }];
    });
    if (!this.#refused) return expiring;
    const { message, since } = this.#refused;
    const words =
      `SIGHUP has found certificates that cannot be used, and the old ones stay: ${message}`;
    return [{ reason: "CERTIFICATE_REFUSED", part: "cert", message: words, since }, ...expiring];
  }

  #observe(material: TlsMaterial): void {
    this.#expiries = certificateExpiries(material);
    for (const part of ["cert", "clientCa"] as const) {
      const first = this.#expiries.find((expiry) => expiry.part === part);
      if (first) this.#metrics.certificateExpires(part, first.notAfter / 1000);
    }
  }

  #warn(): void {
    const now = this.#clock.now();
    for (const expiry of this.#expiries) {
      const warning = expiryWarning(expiry, now);
      const level = expiry.notAfter <= now ? "error" : "warn";
      if (warning !== undefined) log[level]("TLS: {warning}", { warning });
    }
  }

  async #keepWatching(): Promise<void> {
    await repeat(() => {
      this.#warn();
      return this.#untilNext();
    }, { clock: this.#clock, signal: this.#stop.signal, delay: this.#untilNext() });
  }

  /** Returns the milliseconds to the next warning: a day, or until one of those in use ends. */
  #untilNext(): number {
    const left = this.#expiries.map(({ notAfter }) => notAfter - this.#clock.now());
    return Math.min(INTERVAL_MS, ...left.filter((ms) => ms > 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}

function reasonOf(
  { notBefore, notAfter }: CertificateExpiry,
  now: number,
): NodeProblem["reason"] {
  if (notAfter <= now) return "CERTIFICATE_EXPIRED";
  return notBefore > now ? "CERTIFICATE_NOT_YET_VALID" : "CERTIFICATE_EXPIRES";
}
