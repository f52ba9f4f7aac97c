import { assertEquals } from "@std/assert";
import { Progress } from "../../src/operations/mod.ts";

Deno.test("what a source counted stays counted once it is disposed of", () => {
  const progress = new Progress();
  const counts = { files: 1, bytes: 10 };
  const observed = progress.observe(() => counts);
  Object.assign(counts, { files: 3, bytes: 30 });
  const during = progress.read();
  observed[Symbol.dispose]();
  observed[Symbol.dispose]();
  Object.assign(counts, { files: 9, bytes: 90 });
  const after = progress.read();
  assertEquals([during.files, during.bytes], [3, 30]);
  assertEquals([after.files, after.bytes], [3, 30]);
});

Deno.test("an operation counts what its steps count, and has their total while it is known", () => {
  const whole = new Progress();
  const first = new Progress();
  first.setTotal({ files: 4, bytes: 400 });
  first.add({ files: 1, bytes: 100 });
  first.addStored(7);
  first.addTransferred(9);
  const included = whole.include(first);
  assertEquals({ ...whole.read(), bytesPerSecond: 0, transferredPerSecond: 0 }, {
    files: 1,
    bytes: 100,
    filesTotal: 4,
    bytesTotal: 400,
    storedBytes: 7,
    bytesPerSecond: 0,
    transferredBytes: 9,
    transferredPerSecond: 0,
  });
  included[Symbol.dispose]();
  using _second = whole.include(new Progress());
  const { filesTotal, bytesTotal, bytes } = whole.read();
  assertEquals({ filesTotal, bytesTotal, bytes }, {
    filesTotal: undefined,
    bytesTotal: undefined,
    bytes: 100,
  });
});

Deno.test("a total that turns out too small grows with what is done", () => {
  const progress = new Progress();
  progress.setTotal({ bytes: 5 });
  progress.add({ bytes: 8 });
  assertEquals(progress.read().bytesTotal, 8);
});

Deno.test("the rate is that of the last seconds, not of the whole time", () => {
  let now = 0;
  const progress = new Progress(() => now);
  for (let second = 1; second <= 20; second++) {
    now = second * 1000;
    progress.add({ bytes: second <= 10 ? 1000 : 50 });
    progress.read();
  }
  assertEquals(progress.read().bytesPerSecond, 50);
});
