import { assert, assertEquals, assertRejects } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { handleUncaught } from "../../src/uncaught.ts";
import { Fixture, request } from "./fixture.ts";

/** As the daemon's last handler does. */
function failingOperations(): Disposable {
  return handleUncaught(({ fail }) => fail?.(new DaemonError("INTERNAL", "a bug, number 7")));
}

/** A promise that nobody awaits. */
const strayRejection = () => void Promise.reject(new Error("stray"));

async function failsForTheBug(work: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => work, DaemonError, "number 7");
  assertEquals(error.code, "INTERNAL");
}

Deno.test("an initialisation that a bug befell fails with it, leaves nothing, and harms no other", async () => {
  using _handler = failingOperations();
  await using fixture = await Fixture.start();
  fixture.initBarrier.open = false;
  const other = fixture.manager.init(request("other"));
  const otherStep = await fixture.initBarrier.next();
  fixture.initBarrier.onNext = strayRejection;
  await failsForTheBug(fixture.manager.init(request("w")));
  assert(!fixture.manager.exists("w"));
  otherStep.go();
  await other;
  assertEquals([...fixture.disk.trees], ["workspaces/other"]);
});

Deno.test("a backup that a bug befell fails with it, and the next one is made", async () => {
  using _handler = failingOperations();
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  fixture.saveBarrier.onNext = strayRejection;
  await failsForTheBug(fixture.manager.backup("w"));
  fixture.saveBarrier.open = true;
  await fixture.manager.backup("w");
  assertEquals([...fixture.stored], ["backup-alice-m"]);
});
