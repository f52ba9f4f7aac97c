import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Dispatcher } from "../../src/content/dispatcher.ts";
import { connectTrees } from "../../src/content/tree_operations.ts";
import { messageOf } from "../../src/errors.ts";
import { startWorkers } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { assertFails, makeTree, ME, namesIn } from "./fixture.ts";

Deno.test("a content Worker with a bug fails the operation that has it, tells of it, and goes on", async (t) => {
  using folder = testFolder();
  const module = new URL("./faulty_worker.ts", import.meta.url);
  const { ports, terminate } = startWorkers(folder.path, 1, module);
  const told: string[] = [];
  const dispatcher = new Dispatcher(ports, ({ error }) => told.push(messageOf(error)));
  using stack = new DisposableStack();
  stack.defer(terminate);
  stack.defer(() => dispatcher.close());

  const tree = await makeTree(dispatcher);
  const assertServes = async () => assertEquals(await dispatcher.quick("exists", { tree }), true);
  await t.step("an operation that would wait for ever", async () => {
    await assertFails(dispatcher.quick("published", {}), "INTERNAL", "thrown in a timer");
    await assertServes();
  });
  await t.step("an operation that ends all the same", async () => {
    await assertFails(dispatcher.run("leftovers", {}), "INTERNAL", "thrown beside the work");
    await assertServes();
  });
  await t.step("an operation that throws what cannot be shown", async () => {
    const listing = dispatcher.quick("list", { tree, path: "" });
    await assertFails(listing, "INTERNAL", "cannot be shown");
    await assertServes();
  });
  await t.step("an answer that cannot be sent", async () => {
    await assertFails(dispatcher.run("usage", { tree }), "INTERNAL", "could not be cloned");
    await assertServes();
  });
  await t.step("making a tree, which is removed again", async () => {
    const staging = join(folder.path, "tmp/staging");
    const before = namesIn(staging);
    await assertFails(
      connectTrees(dispatcher).create(ME, "unlucky"),
      "INTERNAL",
      "thrown once it was made",
    );
    assertEquals(namesIn(staging), before);
    assertEquals(namesIn(join(folder.path, "tmp/trash")), []);
  });
  const last = "what was thrown cannot be shown";
  assertEquals(told, [
    "thrown in a timer",
    "thrown beside the work",
    last,
    "thrown once it was made",
  ]);
});
