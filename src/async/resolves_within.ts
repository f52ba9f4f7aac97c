/** A bound on a wait. */

import type { Clock } from "../clock.ts";

/**
 * Returns whether `work` resolved within `milliseconds`; it goes on where it did not.
 * @throws what `work` throws in that time
 */
export async function resolvesWithin(
  work: Promise<unknown>,
  milliseconds: number,
  clock: Clock,
): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      work.then(() => true),
      clock.sleep(milliseconds, timer.signal).then(() => false, () => false),
    ]);
  } finally {
    timer.abort();
  }
}
