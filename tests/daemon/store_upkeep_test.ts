import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Administration } from "../../src/admin/mod.ts";
import { StoreUpkeep } from "../../src/daemon/store_upkeep.ts";
import { DaemonError } from "../../src/errors.ts";
import { type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { noStore } from "../../src/store/no_store.ts";
import { SteppedClock } from "../fixtures/clock.ts";
import { captureLogs } from "../fixtures/logs.ts";

const HOUR = 3600_000;

Deno.test("before each collection the policy is applied, and one that is refused does not stop it", async () => {
  const clock = new SteppedClock();
  const operations = new OperationRegistry(clock);
  const store = {
    ...noStore,
    kind: "fs",
    now: () => Promise.resolve(clock.now()),
    putRef: () => Promise.resolve(),
    getRef: () => Promise.reject(new DaemonError("NOT_FOUND", "nothing is there")),
    async *list() {},
  };
  const done: [string, unknown][] = [];
  const administration = {
    forget(policy: unknown) {
      done.push(["forget", policy]);
      return Promise.reject(new DaemonError("FAILED_PRECONDITION", "that is most of it"));
    },
    collect(request: unknown): Promise<Operation> {
      done.push(["collect", request]);
      const began = Promise.withResolvers<Operation>();
      operations.run({ kind: "collection" }, (operation) => {
        began.resolve(operation);
        return Promise.resolve();
      });
      return began.promise;
    },
  };
  using logs = captureLogs();
  await using upkeep = new StoreUpkeep({
    config: {
      backup: { attempts: 1, concurrency: 1, onStop: false, retain: 2, otherLineages: 3 },
      snapshot: { ttl: 48 * HOUR },
      store: {
        chunks: { minBytes: 0 },
        gc: { every: HOUR, grace: 30 * HOUR, deletesPerSecond: 7 },
      },
    },
    store,
    clock,
    operations,
    node: "one",
  });
  const started = upkeep.start(administration as unknown as Administration, () => []);
  await clock.pass(0);
  await started;
  assertEquals(upkeep.rules(), [{ retain: 2, otherLineages: 3 }]);
  await clock.pass(HOUR / 4);
  assertEquals(done, [
    ["forget", { backups: [{ retain: 2, otherLineages: 3 }], snapshotTtl: 48 * HOUR }],
    ["collect", { graceMs: 30 * HOUR, deletesPerSecond: 7, dryRun: false, force: false }],
  ]);
  assertStringIncludes(logs.text, "that is most of it");
});
