import { assertEquals, assertRejects } from "@std/assert";
import { Semaphore } from "../../src/async/semaphore.ts";

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
