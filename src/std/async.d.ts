/** Types of the parts of `@std/async` that we use; the npm package of the standard library has none. */

export interface DeadlineOptions {
  signal?: AbortSignal;
}
export interface DelayOptions {
  signal?: AbortSignal;
  persistent?: boolean;
}
export interface RetryOptions {
  /** Base of the exponential back-off. */
  multiplier?: number;
  /** Milliseconds. */
  maxTimeout?: number;
  maxAttempts?: number;
  /** Milliseconds. */
  minTimeout?: number;
  /** From 0 (none) to 1 (full). */
  jitter?: number;
}
export class RetryError extends Error {
  constructor(cause: unknown, attempts: number);
}
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
export function deadline<T>(p: Promise<T>, ms: number, options?: DeadlineOptions): Promise<T>;
export function delay(ms: number, options?: DelayOptions): Promise<void>;
export function pooledMap<T, R>(
  poolLimit: number,
  array: Iterable<T> | AsyncIterable<T>,
  iteratorFn: (data: T) => Promise<R>,
): AsyncIterableIterator<R>;
export function retry<T>(fn: (() => Promise<T>) | (() => T), options?: RetryOptions): Promise<T>;
