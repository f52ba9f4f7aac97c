/**
 * The daemon's metrics: one registry, made where the daemon starts and handed to the modules, each of
 * which registers its own. Names follow Prometheus' conventions: `wsdaemon_` first, the unit last.
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry } from "prom-client";

/**
 * Upper bounds in seconds, for anything from a look-up to a backup of many gigabytes: each at most 2.5 times
 * the one before, so that a quantile is off by no more.
 */
export const DURATION_BUCKETS: readonly number[] = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 25, 60, 120, 300, 600, 1200, 2400],
];

/** The name of a counter, a gauge or a histogram of durations, by Prometheus' conventions. */
type Prefix = "process" | "wsdaemon";
type CounterName = `${Prefix}_${string}_total`;
type GaugeName = `${Prefix}_${string}`;
type SecondsName = `wsdaemon_${string}_seconds`;

/** The registry of metrics; registering a name twice returns the same metric. */
export class Metrics {
  readonly #registry: Registry;

  /** Registers into a registry that others may share. */
  constructor(registry = new Registry()) {
    this.#registry = registry;
  }

  /** Registers a value that only grows. */
  counter<L extends string = never>(
    name: CounterName,
    help: string,
    labelNames: readonly L[] = [],
  ): Counter<L> {
    return this.#existing<Counter<L>>(name, Counter) ??
      new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  /** Registers a value that goes up and down. */
  gauge<L extends string = never>(
    name: GaugeName,
    help: string,
    labelNames: readonly L[] = [],
  ): Gauge<L> {
    return this.#existing<Gauge<L>>(name, Gauge) ??
      new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  /** Registers a counter that is kept elsewhere, and read when somebody scrapes. */
  observedCounter(name: CounterName, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** Registers a gauge that is read when somebody scrapes. */
  observedGauge(name: GaugeName, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** Registers gauges by label that are read when somebody scrapes; those that cannot be read are left out. */
  observedGauges<L extends string>(
    name: GaugeName,
    help: string,
    labelNames: readonly L[],
    read: () => Promise<readonly { labels: Record<L, string>; value: number }[]>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        const values = await read().catch(() => []);
        this.reset();
        for (const { labels, value } of values) this.set(labels, value);
      },
    });
  }

  /** Registers a histogram of durations; seconds. */
  histogram<L extends string = never>(
    name: SecondsName,
    help: string,
    labelNames: readonly L[] = [],
    buckets: readonly number[] = DURATION_BUCKETS,
  ): Histogram<L> {
    return this.#existing<Histogram<L>>(name, Histogram) ??
      new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.#registry] });
  }

  /** Registers a histogram that is made anew of what `read` returns when somebody scrapes; seconds. */
  observedHistogram(
    name: SecondsName,
    help: string,
    buckets: readonly number[],
    read: () => readonly number[],
  ): void {
    new Histogram({
      name,
      help,
      buckets: [...buckets],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const value of read()) this.observe(value);
      },
    });
  }

  /** Returns all metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The media type of {@link text}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  #existing<M>(name: string, kind: new (...args: never[]) => M): M | undefined {
    const metric: unknown = this.#registry.getSingleMetric(name);
    if (metric === undefined) return undefined;
    if (metric instanceof kind) return metric;
    throw new TypeError(`Cannot register ${name} as two kinds of metric`);
  }
}
