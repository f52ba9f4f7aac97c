import { assertEquals, assertRejects } from "@std/assert";
import { repeat } from "../../src/async/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";

Deno.test("work is repeated after the pauses that it returns, the first of them given", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  let times = 0;
  const repeated = repeat(() => 10 * ++times, { clock, signal: stop.signal, delay: 5 });
  await clock.wakeAll();
  await clock.wakeAll();
  await clock.asleep();
  assertEquals([times, clock.slept], [2, [5, 10, 20]]);
  stop.abort();
  await repeated;
  assertEquals(times, 2);
});

Deno.test("work without a delay begins at once, and its failure is the caller's", async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  await assertRejects(
    () => repeat(() => Promise.reject(new Error("broken")), { clock, signal }),
    Error,
    "broken",
  );
  assertEquals(clock.slept, []);
});

Deno.test("nothing is begun once the signal has fired, and what is under way is waited for", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const { promise: finished, resolve: finish } = Promise.withResolvers<number>();
  let isOver = false;
  const repeated = repeat(() => finished, { clock, signal: stop.signal }).then(() => isOver = true);
  stop.abort();
  await Promise.resolve();
  assertEquals(isOver, false);
  finish(1);
  await repeated;
  await repeat(() => {
    throw new Error("begun");
  }, { clock, signal: stop.signal });
});
