import { assert, assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { retry, type RetryOptions } from "../../src/async/retry.ts";

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
    isRetryable: () => true,
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
  const final = options(pauses, { isRetryable: (error) => (error as Error).message !== "never" });
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

Deno.test("retry caps its delays after any number of failures, and what a server asks for", async () => {
  const delays: number[] = [];
  const changed = { attempts: 2_000, minDelay: () => 1e12 };
  await assertRejects(() => retry(() => Promise.reject(new Error("no")), options(delays, changed)));
  assertEquals(delays.length, 1_999);
  assert(delays.every((delay) => delay === 500), `${delays}`);
});

Deno.test("retry waits at least as long as a server asks", async () => {
  const delays: number[] = [];
  const changed = { attempts: 3, jitter: 1, minDelay: () => 450 };
  await assertRejects(() => retry(() => Promise.reject(new Error("no")), options(delays, changed)));
  assertEquals(delays, [450, 450]);
});

Deno.test("retry refuses a delay that no timer can keep", async () => {
  const changed = options([], { maxDelay: 2 ** 31 });
  await assertRejects(() => retry(() => Promise.resolve(), changed), RangeError, "maxDelay");
});

Deno.test("a delay of retry ends early when it is woken, and with the reason when it is aborted", async () => {
  const early = new AbortController();
  const late = new AbortController();
  const clock = new ManualClock();
  let attempts = 0;
  const retried = retry(() => Promise.reject(new Error(`no ${++attempts}`)), {
    ...options([]),
    clock,
    signal: late.signal,
    wake: () => attempts === 1 ? early.signal : undefined,
  });
  await clock.asleep();
  early.abort();
  while (clock.slept.length < 2) await clock.asleep();
  assertEquals(attempts, 2);
  late.abort(new Error("enough"));
  await assertRejects(() => retried, Error, "enough");
});

Deno.test("retry with one attempt does not wait, and with an aborted signal does not begin", async () => {
  const delays: number[] = [];
  const work = () => Promise.reject(new Error("no"));
  await assertRejects(() => retry(work, options(delays, { attempts: 1 })), Error, "no");
  assertEquals(delays, []);
  let begun = false;
  const signal = AbortSignal.abort(new Error("late"));
  const never = () => Promise.resolve(begun = true);
  await assertRejects(() => retry(never, options(delays, { signal })), Error, "late");
  assertEquals(begun, false);
});

Deno.test("retry without jitter doubles its delays exactly, and full jitter stays below them", async () => {
  const exact: number[] = [];
  const work = () => Promise.reject(new Error("no"));
  await assertRejects(() => retry(work, options(exact, { jitter: 0 })));
  assertEquals(exact, [100, 200, 400, 500, 500]);
  const random: number[] = [];
  await assertRejects(() => retry(work, options(random, { jitter: 1 })));
  assert(random.every((delay, n) => delay >= 0 && delay <= exact[n]!), `${random}`);
});

Deno.test("retry tells which failure it is about to follow, and not the last one", async () => {
  const told: string[] = [];
  const onRetry = (error: unknown, failures: number) => {
    told.push(`${failures}: ${(error as Error).message}`);
  };
  const work = (attempt: number) => Promise.reject(new Error(`no ${attempt}`));
  await assertRejects(() => retry(work, options([], { attempts: 3, onRetry })), Error, "no 3");
  assertEquals(told, ["1: no 1", "2: no 2"]);
});
