import { resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { HealthStatus, Metrics } from "../telemetry/mod.ts";
const log = logger("daemon");

/**
 * Between two probes, and for one of them: a store that falls silent right after a probe is noticed
 * within 15 seconds.
 */
const INTERVAL_MS = 7000;
const PROBE_TIMEOUT_MS = 7000;

export class Readiness implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #up;
  readonly #stop = new AbortController();
  #problem: string | undefined = "the daemon is starting";
  #probing: Promise<void> = Promise.resolve();

  constructor(store: ObjectStore, clock: Clock, metrics: Metrics) {
    this.#store = store;
    this.#clock = clock;
    this.#up = metrics.gauge("wsdaemon_store_up", "Whether the store answered the last probe");
  }

  /** Probes the store now and every {@link INTERVAL_MS} from then on. */
  start(): void {
    this.#probing = this.#keepProbing();
  }

  /** From now on the node is not ready. */
  drain(): void {
    this.#stop.abort();
    this.#problem = "the daemon is stopping";
  }

  get(): HealthStatus {
    return this.#problem === undefined
      ? { ok: true, message: "ready" }
      : { ok: false, message: this.#problem };
  }

  async #keepProbing(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#probe();
      await this.#clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #probe(): Promise<void> {
    const before = this.#problem;
    let problem: string | undefined;
    const probe = new AbortController();
    const signal = AbortSignal.any([probe.signal, this.#stop.signal]);
    try {
      const answered = this.#store.probe({ signal });
      // Not waited for any longer than that, whatever becomes of it.
      if (!await resolvesWithin(answered, PROBE_TIMEOUT_MS, this.#clock)) {
        problem = `the store has not answered for ${PROBE_TIMEOUT_MS / 1000} s`;
      }
    } catch (error) {
      problem = `the store does not answer: ${messageOf(error)}`;
    } finally {
      probe.abort();
    }
    if (this.#stop.signal.aborted) return;
    this.#up.set(problem === undefined ? 1 : 0);
    if (problem !== undefined && problem !== before) log.error("Not ready: {problem}", { problem });
    if (problem === undefined && before?.startsWith("the store")) {
      log.info("The store answers again");
    }
    this.#problem = problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    await this.#probing;
  }
}
