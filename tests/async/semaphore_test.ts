import { assert, assertEquals, assertRejects } from "@std/assert";
import { GaveWay, Semaphore } from "../../src/async/semaphore.ts";

Deno.test("a semaphore hands its permits out in the order they were asked for", async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  const use = async (name: string) => {
    using _permit = await semaphore.acquire();
    order.push(`${name} in`);
    await Promise.resolve();
    order.push(`${name} out`);
  };
  await Promise.all([use("a"), use("b"), use("c")]);
  assertEquals(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
});

Deno.test("a wait for a permit that is given up costs nobody a permit", async () => {
  const semaphore = new Semaphore(1);
  const first = await semaphore.acquire();
  const impatient = new AbortController();
  const waiting = semaphore.acquire(impatient.signal);
  const patient = semaphore.acquire();
  impatient.abort(new Error("given up"));
  await assertRejects(() => waiting, Error, "given up");
  first[Symbol.dispose]();
  using _permit = await patient;
  await assertRejects(() => semaphore.acquire(AbortSignal.abort(new Error("late"))), Error, "late");
});

Deno.test("a permit given back twice counts once", async () => {
  const semaphore = new Semaphore(1);
  const permit = await semaphore.acquire();
  permit[Symbol.dispose]();
  permit[Symbol.dispose]();
  using _held = await semaphore.acquire();
  const stop = new AbortController();
  const second = semaphore.acquire(stop.signal);
  stop.abort(new Error("no second permit"));
  await assertRejects(() => second, Error, "no second permit");
});

Deno.test("permits of a semaphore are as many as it was made with, and freed ones are handed on", async () => {
  const semaphore = new Semaphore(2);
  const first = await semaphore.acquire();
  using _second = await semaphore.acquire();
  let granted = false;
  const third = semaphore.acquire().then((permit) => {
    granted = true;
    return permit;
  });
  await Promise.resolve();
  assertEquals(granted, false);
  first[Symbol.dispose]();
  using _third = await third;
});

Deno.test("a wait that is granted is not undone by a later abort of its signal", async () => {
  const semaphore = new Semaphore(1);
  const first = await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire(controller.signal);
  first[Symbol.dispose]();
  controller.abort(new Error("too late"));
  const permit = await waiting;
  const next = semaphore.acquire();
  permit[Symbol.dispose]();
  using _next = await next;
});

Deno.test("as many yielding permits are asked back as others wait, the last ones first", async () => {
  const semaphore = new Semaphore(3);
  const yielding = [
    await semaphore.acquireYielding(),
    await semaphore.acquireYielding(),
    await semaphore.acquireYielding(),
  ];
  const asked = () => yielding.map((permit) => permit.yielding.aborted);
  const waiting = semaphore.acquire();
  assertEquals(asked(), [false, false, true]);
  assert(yielding[2]!.yielding.reason instanceof GaveWay);
  const another = semaphore.acquire();
  assertEquals(asked(), [false, true, true]);
  for (const permit of yielding.slice(1)) permit[Symbol.dispose]();
  using _one = await waiting;
  using _two = await another;
  assertEquals(asked(), [false, true, true]);
});

Deno.test("a yielding permit is given out only while nobody waits for another", async () => {
  const semaphore = new Semaphore(1);
  const first = await semaphore.acquire();
  const order: string[] = [];
  const yielding = semaphore.acquireYielding().then((permit) => {
    order.push("yielding");
    return permit;
  });
  const waiting = semaphore.acquire().then((permit) => {
    order.push("waiting");
    return permit;
  });
  first[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
  using _permit = await yielding;
  assertEquals(order, ["waiting", "yielding"]);
});
