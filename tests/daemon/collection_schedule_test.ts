import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CollectionSchedule } from "../../src/daemon/collection_schedule.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { noteCollection } from "../../src/store/last_collection.ts";
import { noStore } from "../../src/store/no_store.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { SteppedClock } from "../fixtures/clock.ts";
import { captureLogs } from "../fixtures/logs.ts";

const HOUR = 3600_000;
const DAY = 24 * HOUR;

/** A store that holds one object, and goes by a clock. */
function storeOf(clock: SteppedClock): ObjectStore {
  let held: Uint8Array | undefined;
  return {
    ...noStore,
    kind: "fs",
    now: () => Promise.resolve(clock.now()),
    getRef: () =>
      held ? Promise.resolve(held) : Promise.reject(new DaemonError("NOT_FOUND", "nothing")),
    putRef: (_key, bytes) => {
      held = bytes as Uint8Array;
      return Promise.resolve();
    },
  };
}

/** A node that collects a store; what fails is thrown by its next collection. */
function nodeOn(store: ObjectStore, clock: SteppedClock) {
  const operations = new OperationRegistry(clock);
  const node = {
    collections: [] as number[],
    callers: [] as (string | undefined)[],
    fails: undefined as Error | undefined,
  };
  const schedule = new CollectionSchedule({
    store,
    clock,
    every: DAY,
    graceMs: 2 * DAY,
    collect: () => {
      const began = Promise.withResolvers<Parameters<Parameters<typeof operations.run>[1]>[0]>();
      operations.run({ kind: "collection" }, async (operation) => {
        began.resolve(operation);
        node.callers.push(operation.caller?.peer);
        if (node.fails) throw node.fails;
        node.collections.push(clock.monotonic());
        await noteCollection(store);
      }).catch(() => {});
      return began.promise;
    },
  });
  schedule.start();
  return Object.assign(node, { [Symbol.asyncDispose]: () => schedule[Symbol.asyncDispose]() });
}

Deno.test("of several nodes one collects a store in each interval", async () => {
  const clock = new SteppedClock();
  const store = storeOf(clock);
  await using nodes = new AsyncDisposableStack();
  const all = [1, 2, 3, 4].map(() => nodes.use(nodeOn(store, clock)));
  await clock.pass(0.2 * DAY);
  const times = () => all.flatMap(({ collections }) => collections).sort((a, b) => a - b);
  assertEquals(times().length, 1);
  await clock.pass(9 * DAY);
  const between = times().map((time, n) => time - (times()[n - 1] ?? 0)).slice(1);
  assert(times().length >= 8 && times().length <= 10, `${times()}`);
  assert(between.every((gap) => gap >= DAY && gap <= 1.2 * DAY), `${between}`);
  assertEquals(new Set(all.flatMap(({ callers }) => callers)), new Set(["schedule"]));
});

Deno.test("a restart collects nothing that another run collected just before", async () => {
  const clock = new SteppedClock();
  const store = storeOf(clock);
  await noteCollection(store);
  await using node = nodeOn(store, clock);
  await clock.pass(DAY - 1);
  assertEquals(node.collections, []);
  await clock.pass(0.4 * DAY);
  assertEquals(node.collections.length, 1);
});

Deno.test("a collection that fails is tried again within hours, one that another node runs too", async () => {
  const clock = new SteppedClock();
  await using node = nodeOn(storeOf(clock), clock);
  node.fails = new DaemonError("FAILED_PRECONDITION", "Another collection is running");
  await clock.pass(0.2 * DAY + 3 * HOUR);
  assert(node.callers.length >= 3, `${node.callers.length}`);
  node.fails = undefined;
  await clock.pass(HOUR);
  assertEquals(node.collections.length, 1);
});

Deno.test("after a clock was set, blobs have a whole grace until ages count again", async () => {
  for (const jump of [365 * DAY, -365 * DAY]) {
    const clock = new SteppedClock();
    const store = storeOf(clock);
    using logs = captureLogs();
    await using node = nodeOn(store, clock);
    await clock.pass(0.2 * DAY);
    assertEquals(node.collections.length, 1);
    clock.set(jump);
    await clock.pass(2.7 * DAY);
    assertEquals(node.collections.length, 1, `${jump}`);
    assertStringIncludes(logs.text, "clock was set by");
    await clock.pass(2 * DAY);
    assert(node.collections.length >= 2, `${jump}: ${node.collections}`);
  }
});
