import { assertEquals, assertRejects } from "@std/assert";
import { resolvesWithin } from "../../src/async/resolves_within.ts";
import { ManualClock } from "../fixtures/clock.ts";

Deno.test("resolvesWithin tells work that is done in time from work that is late, and leaves no timer", async () => {
  const clock = new ManualClock();
  assertEquals(await resolvesWithin(Promise.resolve("done"), 1_000, clock), true);
  const work = Promise.withResolvers<void>();
  const late = resolvesWithin(work.promise, 1_000, clock);
  await clock.wakeAll();
  assertEquals(await late, false);
  const failing = Promise.reject(new Error("no"));
  await assertRejects(() => resolvesWithin(failing, 1_000, clock), Error, "no");
});
