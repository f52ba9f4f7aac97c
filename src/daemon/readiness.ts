/** Decides whether the node can take work, which `/readyz` answers. */

import { repeat, resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import type { NodeProblem } from "../admin/mod.ts";
import { DaemonError, messageOf, type Reason } from "../errors.ts";
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

/** Whether the node can take work, but for its {@link NodeProblem}s. */
type Phase = "starting" | "serving" | "stopping";

/** What the log says once a problem is over. */
const OVER: Partial<Record<NodeProblem["part"], string>> = {
  store: "The store answers again",
  disk: "There is room again",
};

/** That somebody has the node drained. */
const DRAINED: NodeProblem = {
  reason: "NODE_DRAINING",
  part: "node",
  message: 'the node is drained and takes no new workspaces: "wsdaemon drain --undo" ends that',
};

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
  #phase: Phase = "starting";
  #problems: readonly NodeProblem[] = [];
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
  stop(): void {
    this.#stop.abort();
    this.#phase = "stopping";
  }

  /** Returns whether the node is ready, and why not. */
  get(): HealthStatus {
    if (this.#phase !== "serving") return { ok: false, message: `the daemon is ${this.#phase}` };
    const [worst] = this.problems();
    return worst ? { ok: false, message: worst.message } : { ok: true, message: "ready" };
  }

  /** Returns what the last probes found, the store's problem first, and whether the node is drained. */
  problems(): readonly NodeProblem[] {
    return this.#isDrained() ? [...this.#problems, DRAINED] : this.#problems;
  }

  async #keepProbing(): Promise<void> {
    await repeat(async () => {
      await this.#probe();
      return INTERVAL_MS;
    }, { clock: this.#clock, signal: this.#stop.signal });
  }

  async #probe(): Promise<void> {
    const [storeProblem, shortage] = await Promise.all([
      this.#problemOfStore(),
      this.#space.readinessProblem(),
    ]);
    if (this.#stop.signal.aborted) return;
    this.#metrics.storeProbed(storeProblem === undefined);
    this.#phase = "serving";
    this.#become([
      ...storeProblem ? [storeProblem] : [],
      ...shortage === undefined ? [] : [
        { reason: "NODE_OUT_OF_SPACE" as const, part: "disk" as const, message: shortage },
      ],
    ]);
  }

  /** Logs what has changed; of a shortage, that there is one and not each of its figures. */
  #become(found: readonly NodeProblem[]): void {
    const before = new Map(this.#problems.map((problem) => [problem.part, problem]));
    const now = this.#clock.now();
    this.#problems = found.map((one) => ({ ...one, since: before.get(one.part)?.since ?? now }));
    for (const { part, reason, message } of this.#problems) {
      const known = before.get(part);
      const isNew = !known || (part === "store" && known.message !== message);
      if (isNew) log.error("Not ready: {problem} [{reason}]", { problem: message, reason });
    }
    for (const part of before.keys()) {
      if (!this.#problems.some((one) => one.part === part)) log.info(OVER[part]!);
    }
  }

  /** Returns why the store cannot be used; `undefined` where it answers in time. */
  async #problemOfStore(): Promise<NodeProblem | undefined> {
    const probe = new AbortController();
    const signal = AbortSignal.any([probe.signal, this.#stop.signal]);
    const problem = (reason: Reason, message: string) =>
      ({ reason, part: "store", message }) as const;
    try {
      const answered = this.#store.probe({ signal });
      // A probe that does not heed its signal is not waited for any longer.
      if (await resolvesWithin(answered, PROBE_TIMEOUT_MS, this.#clock)) return undefined;
      const seconds = PROBE_TIMEOUT_MS / 1000;
      return problem("STORE_UNAVAILABLE", `the store has not answered for ${seconds} s`);
    } catch (error) {
      const reason = error instanceof DaemonError ? error.reason : "INTERNAL_ERROR";
      return problem(
        reason === "UNAVAILABLE" ? "STORE_UNAVAILABLE" : reason,
        `the store does not answer: ${messageOf(error)}`,
      );
    } finally {
      probe.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#probing;
  }
}
