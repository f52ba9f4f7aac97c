import type { Metrics } from "./metrics.ts";

/** Milliseconds between two measurements: what keeps the thread for longer is always seen. */
const INTERVAL_MS = 20;
/** What one turn is counted for at most: a machine that slept for hours is no reason to count for long. */
const MAX_COUNTED_MS = 10_000;

/** Upper bounds in seconds. */
const BUCKETS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/**
 * Measures by how much timers of this thread are late, which is how long whatever else runs on it keeps
 * calls waiting; until it is disposed of. A turn that lasts several intervals counts once for each, as
 * what a call that came then has waited, so that quantiles are those of calls and not of timers.
 */
export function measureEventLoopDelay(metrics: Metrics): Disposable {
  const delays = metrics.histogram(
    "wsdaemon_event_loop_delay_seconds",
    "By how much timers of the thread that answers calls are late",
    [],
    BUCKETS,
  );
  let expected = performance.now() + INTERVAL_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    const late = Math.min(Math.max(0, now - expected), MAX_COUNTED_MS);
    for (let missed = late; missed >= 0; missed -= INTERVAL_MS) delays.observe(missed / 1000);
    expected = now + INTERVAL_MS;
  }, INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
