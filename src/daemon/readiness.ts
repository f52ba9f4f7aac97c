/** Whether the node can take work, as `/readyz` answers. */

import { resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { HealthStatus } from "../telemetry/mod.ts";
import type { DaemonMetrics } from "./daemon_metrics.ts";

const log = logger("daemon");

/**
 * Milliseconds between two probes, and for one of them. A store that falls silent right after a probe
 * is noticed within 15 seconds.
 */
const INTERVAL_MS = 7000;
const PROBE_TIMEOUT_MS = 7000;

/** What the node's readiness rests on. */
type State =
  | { kind: "starting" }
  | { kind: "ready" }
  | { kind: "store unavailable"; problem: string }
  | { kind: "stopping" };

/** Probes the store at intervals; the node is ready while the store answers and nobody stops it. */
export class Readiness implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #metrics: DaemonMetrics;
  readonly #stop = new AbortController();
  #state: State = { kind: "starting" };
  #probing: Promise<void> = Promise.resolve();

  constructor(store: ObjectStore, clock: Clock, metrics: DaemonMetrics) {
    this.#store = store;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Probes the store now and every {@link INTERVAL_MS} from then on. */
  start(): void {
    this.#probing = this.#keepProbing();
  }

  /** Makes the node not ready for good, because it stops. */
  drain(): void {
    this.#stop.abort();
    this.#state = { kind: "stopping" };
  }

  /** Returns whether the node is ready, and why not. */
  get(): HealthStatus {
    const state = this.#state;
    if (state.kind === "ready") return { ok: true, message: "ready" };
    const problem = state.kind === "store unavailable"
      ? state.problem
      : `the daemon is ${state.kind}`;
    return { ok: false, message: problem };
  }

  async #keepProbing(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#probe();
      await this.#clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #probe(): Promise<void> {
    const problem = await this.#problemOfStore();
    if (this.#stop.signal.aborted) return;
    this.#metrics.storeProbed(problem === undefined);
    const previous = this.#state;
    this.#state = problem === undefined
      ? { kind: "ready" }
      : { kind: "store unavailable", problem };
    const wasDown = previous.kind === "store unavailable";
    if (problem === undefined) {
      if (wasDown) log.info("The store answers again");
    } else if (!wasDown || previous.problem !== problem) {
      log.error("Not ready: {problem}", { problem });
    }
  }

  /** Returns why the store cannot be used; `undefined` where it answers in time. */
  async #problemOfStore(): Promise<string | undefined> {
    const probe = new AbortController();
    const signal = AbortSignal.any([probe.signal, this.#stop.signal]);
    try {
      const answered = this.#store.probe({ signal });
      // A probe that does not heed its signal is not waited for any longer.
      if (await resolvesWithin(answered, PROBE_TIMEOUT_MS, this.#clock)) return undefined;
      return `the store has not answered for ${PROBE_TIMEOUT_MS / 1000} s`;
    } catch (error) {
      return `the store does not answer: ${messageOf(error)}`;
    } finally {
      probe.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    await this.#probing;
  }
}
