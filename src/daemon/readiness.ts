/** Decides whether the node can take work, which `/readyz` answers. */

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
  | { kind: "short of space"; problem: string }
  | { kind: "stopping" };

/** Returns whether somebody has the node drained. */
export type IsDrained = () => boolean;

/** What says whether there is room for work; a `DiskWatch`. */
export interface SpaceProbe {
  /** Resolves to why the node should get no work; `undefined` where it has room. */
  readinessProblem(): Promise<string | undefined>;
}

/**
 * Probes store and disk at intervals; the node is ready while the store answers, there is room, and
 * nobody stops or drains it.
 */
export class Readiness implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #metrics: DaemonMetrics;
  readonly #space: SpaceProbe;
  readonly #isDrained: IsDrained;
  readonly #stop = new AbortController();
  #state: State = { kind: "starting" };
  #probing: Promise<void> = Promise.resolve();

  constructor(
    store: ObjectStore,
    clock: Clock,
    metrics: DaemonMetrics,
    space: SpaceProbe,
    isDrained: IsDrained = () => false,
  ) {
    this.#isDrained = isDrained;
    this.#store = store;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#space = space;
  }

  /** Probes now and every {@link INTERVAL_MS} from then on. */
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
    if (state.kind === "ready" && this.#isDrained()) {
      return { ok: false, message: "the node is being drained" };
    }
    if (state.kind === "ready") return { ok: true, message: "ready" };
    return {
      ok: false,
      message: "problem" in state ? state.problem : `the daemon is ${state.kind}`,
    };
  }

  async #keepProbing(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#probe();
      await this.#clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #probe(): Promise<void> {
    const [storeProblem, shortage] = await Promise.all([
      this.#problemOfStore(),
      this.#space.readinessProblem(),
    ]);
    if (this.#stop.signal.aborted) return;
    this.#metrics.storeProbed(storeProblem === undefined);
    this.#become(
      storeProblem !== undefined
        ? { kind: "store unavailable", problem: storeProblem }
        : shortage !== undefined
        ? { kind: "short of space", problem: shortage }
        : { kind: "ready" },
    );
  }

  /** Logs what has changed; of a shortage, that there is one and not each of its figures. */
  #become(state: State): void {
    const previous = this.#state;
    this.#state = state;
    if (previous.kind === "store unavailable" && state.kind !== previous.kind) {
      log.info("The store answers again");
    }
    if (previous.kind === "short of space" && state.kind === "ready") {
      log.info("There is room again");
    }
    if (!("problem" in state)) return;
    const isNew = state.kind !== previous.kind ||
      (state.kind === "store unavailable" && "problem" in previous &&
        previous.problem !== state.problem);
    if (isNew) log.error("Not ready: {problem}", { problem: state.problem });
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
