import { assert, assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import { retry, type RetryOptions } from "../../src/outbound/retry.ts";

function options(pauses: number[], changed: Partial<RetryOptions> = {}): RetryOptions {
  return {
    clock: {
      ...systemClock,
      sleep(ms) {
        pauses.push(ms);
        return Promise.resolve();
      },
    },
    signal: new AbortController().signal,
    attempts: 6,
    baseDelay: 100,
    maxDelay: 500,
    transient: () => true,
    ...changed,
  };
}

Deno.test("retry waits longer each time, up to a limit, and never exactly as long", async () => {
  const pauses: number[] = [];
  await assertRejects(
    () => retry((attempt) => Promise.reject(new Error(`no ${attempt}`)), options(pauses)),
    Error,
    "no 6",
  );
  const ceilings = [100, 200, 400, 500, 500];
  assertEquals(pauses.length, ceilings.length);
  for (const [n, pause] of pauses.entries()) {
    assert(pause >= ceilings[n]! / 2 && pause <= ceilings[n]!, `${pause} of ${ceilings[n]}`);
  }
});

Deno.test("retry stops at success, and at what will not pass", async () => {
  const pauses: number[] = [];
  const work = (attempt: number) =>
    attempt === 3 ? Promise.resolve("done") : Promise.reject(new Error("busy"));
  assertEquals(await retry(work, options(pauses)), "done");
  assertEquals(pauses.length, 2);
  const final = options(pauses, { transient: (error) => (error as Error).message !== "never" });
  await assertRejects(() => retry(() => Promise.reject(new Error("never")), final), Error, "never");
  assertEquals(pauses.length, 2);
});

Deno.test("retry counts and waits anew after an attempt that got further", async () => {
  const pauses: number[] = [];
  let attempts = 0;
  const work = () => Promise.reject(new Error(`no ${++attempts}`));
  const progressed = () => attempts % 2 === 0 && attempts <= 6;
  const changed = options(pauses, { attempts: 3, progressed });
  await assertRejects(() => retry(work, changed), Error, "no 8");
  assert(pauses.every((pause, n) => pause <= (n === 0 || n % 2 === 1 ? 100 : 200)), `${pauses}`);
});

Deno.test("retry does nothing more once its signal is aborted", async () => {
  const controller = new AbortController();
  let attempts = 0;
  const work = () => {
    attempts++;
    controller.abort(new Error("enough"));
    return Promise.reject(new Error("busy"));
  };
  await assertRejects(() => retry(work, options([], { signal: controller.signal })), Error);
  assertEquals(attempts, 1);
});
