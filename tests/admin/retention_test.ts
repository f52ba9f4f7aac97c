import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { forgetByPolicy } from "../../src/admin/retention.ts";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { StoreFixture } from "../snapshot/fixture.ts";
import { file } from "../fixtures/tree.ts";
import { captureLogs } from "../fixtures/logs.ts";

Deno.test("what a policy lets go is forgotten as an operation, each in the log", async () => {
  await using fixture = await StoreFixture.open({ retain: 9 });
  const { store } = fixture;
  await fixture.publish("w", [["todo", file("one\n")]]);
  const first = await fixture.backup("w");
  await Deno.writeTextFile(`${fixture.pathOf("w")}/todo`, "two");
  await fixture.backup("w");
  const operations = new OperationRegistry(systemClock);
  const options = { store, operations, stop: new AbortController().signal };
  using logs = captureLogs();
  await forgetByPolicy({ backups: [{ retain: 1, otherLineages: 0 }] }, options);
  assertStringIncludes(logs.text, first.url);
  const none = { backups: [{ retain: 0, otherLineages: 0 }] };
  await assertRejects(() => forgetByPolicy(none, options), DaemonError, "no backup at all");
  assertEquals(
    operations.all().map(({ kind, state, figures }) => [kind, state, figures["images"]]),
    [["deletion", "succeeded", 1], ["deletion", "failed", undefined]],
  );
});
