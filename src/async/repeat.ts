import type { Clock } from "../clock.ts";

/** When {@link repeat} does its work. */
export interface RepeatOptions {
  clock: Clock;
  /** Ends it. */
  signal: AbortSignal;
  /** Milliseconds until the first time; at once if absent. */
  delay?: number;
}

/**
 * Does work again and again, after pauses that the work returns in milliseconds, until the signal fires. That
 * ends a pause at once; work that is under way is waited for, and may heed the signal itself.
 * @throws what the work throws
 */
export async function repeat(
  work: () => number | Promise<number>,
  { clock, signal, delay = 0 }: RepeatOptions,
): Promise<void> {
  const pause = (ms: number) => clock.sleep(ms, signal).catch(() => {});
  if (delay > 0) await pause(delay);
  while (!signal.aborted) await pause(await work());
}
