import { assertEquals } from "@std/assert";
import { PartQueue } from "../../src/content/pack/part_queue.ts";
import { SharedPackState, type WorkItem } from "../../src/content/pack/shared_state.ts";

const PARTS = 3;

function newQueue(options: { mayAskForHelp?: boolean; parts?: number } = {}) {
  const { mayAskForHelp = true, parts = PARTS } = options;
  const shared = new SharedPackState(SharedPackState.allocate(parts, 100), parts);
  const progress = { entries: 0, bytesRead: 0 };
  let calls = 0;
  const queue = new PartQueue({
    shared,
    parts,
    mayAskForHelp,
    onHelp: () => calls++,
    progress: () => progress,
  });
  return { queue, shared, progress, calls: () => calls };
}

function directory(path: string): WorkItem {
  return { kind: "directory", key: 0, path: new TextEncoder().encode(path) };
}

function pathOf(item: WorkItem | undefined): string | undefined {
  return item && new TextDecoder().decode(item.path);
}

Deno.test("a part goes on with the directory that it found last", () => {
  const { queue, shared, calls } = newQueue();
  for (const path of ["a", "b", "c"]) queue.add(directory(path));
  assertEquals([1, 2, 3, 4].map(() => pathOf(queue.next())), ["c", "b", "a", undefined]);
  assertEquals([shared.announced, calls()], [3, 0]);
});

Deno.test("after enough work a part asks for help once, and gives the highest directories away", () => {
  for (const done of [{ entries: 512 }, { bytesRead: 4 << 20 }]) {
    const { queue, shared, progress, calls } = newQueue();
    for (const path of ["a", "b", "c"]) queue.add(directory(path));
    Object.assign(progress, done);
    queue.share();
    queue.share();
    assertEquals(calls(), 1);
    const given = [pathOf(shared.take()), pathOf(shared.take()), pathOf(shared.take())];
    assertEquals(given, ["b", "a", undefined]);
    // The last one is the part's own.
    assertEquals([pathOf(queue.next()), pathOf(queue.next())], ["c", undefined]);
  }
});

Deno.test("the only part of a pack asks nobody and keeps its directories", () => {
  const { queue, shared, progress, calls } = newQueue({ mayAskForHelp: false, parts: 1 });
  for (const path of ["a", "b"]) queue.add(directory(path));
  progress.entries = 10_000;
  queue.share();
  assertEquals([shared.take(), calls()], [undefined, 0]);
  assertEquals([pathOf(queue.next()), pathOf(queue.next())], ["b", "a"]);
});

Deno.test("a large file is offered to the other parts at once", () => {
  const { queue, shared, calls } = newQueue();
  const file: WorkItem = { kind: "file", key: 7, path: new TextEncoder().encode("large") };
  queue.add(file);
  assertEquals([shared.take(), calls()], [file, 1]);
});

Deno.test("a part without own items takes those of others", () => {
  const { queue, shared } = newQueue();
  shared.announce();
  shared.offer(directory("theirs"));
  assertEquals([pathOf(queue.next()), pathOf(queue.next())], ["theirs", undefined]);
});
