/** Runs many asynchronous calls with a bound on how many are under way. */

/**
 * Yields what `work` makes of each item, in the order of the items, with up to `concurrency` calls
 * of it under way.
 */
export async function* mapConcurrent<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  concurrency: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const pending: Promise<Result>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Prevents an unhandled rejection; the error is thrown when this item is read.
    result.catch(() => {});
    pending.push(result);
    if (pending.length >= concurrency) yield await pending.shift()!;
  }
  for (const result of pending) yield await result;
}

/**
 * Runs `work` for 0…count-1, at most `concurrency` at a time. The first failure aborts the signal
 * that the others got; all are waited for.
 * @throws the first failure, or the signal's reason
 */
export async function forEachIndex(
  count: number,
  concurrency: number,
  signal: AbortSignal | undefined,
  work: (index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  let next = 0;
  const failures: unknown[] = [];
  const lane = async () => {
    while (next < count && !either.aborted) {
      try {
        await work(next++, either);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane));
  if (failures.length > 0) throw failures[0];
  signal?.throwIfAborted();
}
