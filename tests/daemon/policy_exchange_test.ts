import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { PolicyExchange } from "../../src/daemon/policy_exchange.ts";
import { DaemonError } from "../../src/errors.ts";
import { retainedImages } from "../../src/snapshot/retained_images.ts";
import {
  policyKey,
  publishPolicy,
  sharedPolicies,
  type StorePolicy,
} from "../../src/snapshot/shared_policies.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { noStore } from "../../src/store/no_store.ts";
import { systemClock } from "../../src/clock.ts";
import { digestOf } from "../../src/digest.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { testFolder } from "../fixtures/folder.ts";
import { captureLogs } from "../fixtures/logs.ts";

const DAY = 86_400_000;
const within = { years: 0, months: 1, days: 2, hours: 0 };
const SHORT: StorePolicy = {
  backups: { retain: 1, otherLineages: 8 },
  snapshotTtl: DAY,
  graceMs: DAY,
};
const LONG: StorePolicy = {
  backups: { retain: 3, otherLineages: 8, keep: { daily: 7, within } },
  snapshotTtl: 30 * DAY,
  graceMs: 2 * DAY,
};

class Bench implements AsyncDisposable {
  readonly #folder = testFolder();
  #store: FileStore | undefined;

  static async open(): Promise<Bench> {
    const bench = new Bench();
    const spoolDir = join(bench.#folder.path, "spool");
    await Deno.mkdir(spoolDir);
    bench.#store = await FileStore.open({ folder: bench.root, spoolDir, clock: systemClock });
    return bench;
  }

  get root(): string {
    return join(this.#folder.path, "store");
  }

  get store(): FileStore {
    return this.#store!;
  }

  exchange(node: string, policy: StorePolicy): PolicyExchange {
    return new PolicyExchange({ store: this.store, clock: new ManualClock(), node, policy });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    this.#folder[Symbol.dispose]();
  }
}

/** Returns how many backups of ten, an hour apart, are kept. */
function kept(exchange: PolicyExchange): number {
  const history = Array.from({ length: 10 }, (_, n) => ({
    manifest: digestOf(`${n}`),
    createdAt: 1_700_000_000_000 - n * 3600_000,
    contentBytes: 1,
    files: 1,
    lineage: { id: "a" },
  }));
  return retainedImages(history, exchange.rules()).images.length;
}

Deno.test("daemons with different policies keep what either keeps, and say that they differ", async () => {
  await using bench = await Bench.open();
  using logs = captureLogs();
  await using one = bench.exchange("one", SHORT);
  assertEquals(kept(one), 10, "everything, while nobody knows what others keep");
  await one.start();
  assertEquals(kept(one), 1);
  assertEquals(logs.text.includes("by another policy"), false);
  await using other = bench.exchange("other", LONG);
  await other.start();
  const joined = await one.joined();
  assertEquals(kept(one), 10, "what is within a month");
  assertEquals([joined.snapshotTtl, joined.graceMs], [30 * DAY, 2 * DAY]);
  assertStringIncludes(logs.text, "by another policy");
  await using third = bench.exchange("third", { ...SHORT, snapshotTtl: undefined });
  await third.start();
  assertEquals((await one.joined()).snapshotTtl, undefined, "who keeps them for ever");
});

Deno.test("a policy that was not written anew for a week does not count any more", async () => {
  await using bench = await Bench.open();
  await publishPolicy(bench.store, "gone", LONG);
  assertEquals((await sharedPolicies(bench.store)).get("gone"), LONG);
  const time = (Date.now() - 8 * DAY) / 1000;
  await Deno.utime(join(bench.root, policyKey("gone")), time, time);
  assertEquals((await sharedPolicies(bench.store)).size, 0);
});

Deno.test("while the policies of others cannot be read everything is kept", async () => {
  await using bench = await Bench.open();
  await using one = bench.exchange("one", SHORT);
  await one.start();
  assertEquals(kept(one), 1);
  await bench.store.putRef(policyKey("odd"), new TextEncoder().encode("{}"));
  await using other = bench.exchange("other", SHORT);
  await other.start();
  assertEquals(kept(other), 10);
  const error = await assertRejects(() => one.joined(), DaemonError, "odd.json");
  assertEquals(error.code, "DATA_LOSS");
  assertEquals(kept(one), 10, "also by who could read them before");
  await bench.store.deleteRef(policyKey("odd"));
  await one.joined();
  assertEquals(kept(one), 1);
});

Deno.test("a node without a store exchanges nothing, and keeps by its own rules", async () => {
  await using one = new PolicyExchange({
    store: noStore,
    clock: new ManualClock(),
    node: "one",
    policy: SHORT,
  });
  await one.start();
  assertEquals(kept(one), 1);
});
