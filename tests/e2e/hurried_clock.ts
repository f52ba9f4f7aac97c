/**
 * Stands for `src/clock.ts` in a daemon whose limits of minutes are to pass within a second, but only
 * while a fault lasts: hurried all the time, a slow machine would be taken for a silent store. Delays pass
 * {@link HURRY} times as fast while there is a file, which the query of this module's URL names.
 */

import { delay } from "@std/async";
import { type Clock, sleepSync, Stopwatch } from "../../src/clock.ts";

const HURRY = 100;
const STEP_MS = 10;

const file = decodeURIComponent(new URL(import.meta.url).search.slice(1));

function isHurried(): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    // It is not there, or not for this thread to see.
    return false;
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0;) {
      const pace = isHurried() ? HURRY : 1;
      const step = Math.min(left, STEP_MS * pace);
      await delay(step / pace, signal ? { signal } : {});
      left -= step;
    }
  },
};

export { type Clock, sleepSync, Stopwatch };
