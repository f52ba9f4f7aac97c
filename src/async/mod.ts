/**
 * What waits, repeats and limits: the one retry, repetition, semaphore, bounded wait and concurrent map.
 */

export { forEachIndex, mapConcurrent } from "./concurrent.ts";
export { repeat, type RepeatOptions } from "./repeat.ts";
export { resolvesWithin } from "./resolves_within.ts";
export { Backoff, retry, type RetryOptions } from "./retry.ts";
export { GaveWay, Semaphore, type YieldingPermit } from "./semaphore.ts";
