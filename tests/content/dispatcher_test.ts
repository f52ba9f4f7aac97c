import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Dispatcher } from "../../src/content/dispatcher.ts";
import { startWorkers } from "../fixtures/content.ts";
import { until } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { assertFails, makeTree, namesIn } from "./fixture.ts";

interface Fixture extends Disposable {
  dispatcher: Dispatcher;
  spool: string;
  staging: string;
}

function fixture(workers: number): Fixture {
  const folder = testFolder();
  const { ports, areas, terminate } = startWorkers(folder.path, workers);
  const dispatcher = new Dispatcher(ports);
  return {
    dispatcher,
    spool: areas.spool,
    staging: areas.staging,
    [Symbol.dispose]() {
      dispatcher.close();
      terminate();
      folder[Symbol.dispose]();
    },
  };
}

/** A tree with a file that takes as long to copy as one likes, and no room on the disk before. */
async function endless({ dispatcher, staging }: Fixture) {
  const tree = await makeTree(dispatcher);
  using file = Deno.createSync(join(staging, tree.name, "endless"));
  file.truncateSync(2 ** 40);
  return { tree, path: "endless", maxBytes: 2 ** 40 };
}

Deno.test("a running operation stops when its signal aborts, and leaves nothing behind", async () => {
  using at = fixture(2);
  const request = await endless(at);
  const controller = new AbortController();
  const running = at.dispatcher.run("copyOut", request, { signal: controller.signal });
  const failed = assertFails(running, "ABORTED", "cancelled");
  // It has begun once its file is there.
  await until("the copy has begun", () => namesIn(at.spool).length > 0);
  controller.abort();
  await failed;
  assertEquals(namesIn(at.spool), []);
});

Deno.test("a waiting operation is cancelled at once and never runs", async () => {
  using at = fixture(2);
  const request = await endless(at);
  const first = new AbortController();
  const running = at.dispatcher.run("copyOut", request, { signal: first.signal });
  const failed = assertFails(running, "ABORTED", "cancelled");
  const second = new AbortController();
  const waiting = at.dispatcher.run("clear", { tree: request.tree }, { signal: second.signal });
  const dropped = assertFails(waiting, "ABORTED", "cancelled");
  second.abort();
  await dropped;
  first.abort();
  await failed;
  const entries = await at.dispatcher.quick("list", { tree: request.tree, path: "" });
  assertEquals(entries.length, 1);
});

Deno.test("an operation whose signal has aborted already never runs", async () => {
  using at = fixture(1);
  const { tree } = await endless(at);
  await assertFails(
    at.dispatcher.run("clear", { tree }, { signal: AbortSignal.abort() }),
    "ABORTED",
    "cancelled",
  );
  assertEquals((await at.dispatcher.quick("list", { tree, path: "" })).length, 1);
});

Deno.test("quick requests are answered while every other Worker is busy", async () => {
  using at = fixture(3);
  const request = await endless(at);
  const controller = new AbortController();
  const { signal } = controller;
  assertEquals(at.dispatcher.workers, 2);
  const busy = [1, 2, 3].map(() =>
    assertFails(at.dispatcher.run("copyOut", request, { signal }), "ABORTED", "cancelled")
  );
  assertEquals(await at.dispatcher.quick("exists", { tree: request.tree }), true);
  controller.abort();
  await Promise.all(busy);
  assertEquals(namesIn(at.spool), []);
});

Deno.test("one Worker alone does everything, in the order asked", async () => {
  using at = fixture(1);
  const tree = await makeTree(at.dispatcher);
  const done: string[] = [];
  const note = (what: string) => () => done.push(what);
  await Promise.all([
    at.dispatcher.run("usage", { tree }).then(note("usage")),
    at.dispatcher.quick("exists", { tree }).then(note("exists")),
    at.dispatcher.run("clear", { tree }).then(note("clear")),
  ]);
  assertEquals(done, ["usage", "exists", "clear"]);
});

Deno.test("what is running or waiting is rejected when the dispatcher is closed", async () => {
  using at = fixture(2);
  const request = await endless(at);
  const signal = new AbortController().signal;
  const calls = [
    at.dispatcher.run("copyOut", { ...request, maxBytes: 2 ** 26 }, { signal }),
    at.dispatcher.run("copyOut", request),
  ].map((call) => assertFails(call, "UNAVAILABLE", "stopped"));
  at.dispatcher.close();
  await Promise.all(calls);
  await assertFails(at.dispatcher.quick("published", {}), "UNAVAILABLE", "stopped");
});
