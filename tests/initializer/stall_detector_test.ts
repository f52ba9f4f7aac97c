import { assert, assertFalse } from "@std/assert";
import { MIN_PROGRESS_BYTES, StallDetector } from "../../src/initializer/stall_detector.ts";

const SHORT_MS = 20;
const LONG_MS = 3_600_000;

/** Resolves once the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  return promise;
}

Deno.test("a download that sends nothing is aborted", async () => {
  using stalls = new StallDetector(SHORT_MS);
  await aborted(stalls.signal);
  assert(stalls.signal.aborted);
});

Deno.test("a download that trickles is aborted as one that sends nothing", async () => {
  using stalls = new StallDetector(SHORT_MS);
  const ended = aborted(stalls.signal);
  stalls.add(1);
  stalls.add(MIN_PROGRESS_BYTES - 2);
  await ended;
});

Deno.test("a download that makes progress is left alone, and its timer ends with it", () => {
  const stalls = new StallDetector(LONG_MS);
  for (let count = 0; count < 3; count++) stalls.add(MIN_PROGRESS_BYTES);
  assertFalse(stalls.signal.aborted);
  // The test runner fails a test that leaves a timer behind.
  stalls[Symbol.dispose]();
});
