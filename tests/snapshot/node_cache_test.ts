import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import { NodeCache } from "../../src/snapshot/node_cache.ts";

Deno.test("a disk is short of room where what is to come would not leave enough", async () => {
  const cache = new NodeCache({
    clock: systemClock,
    maxBytes: 1000,
    minFreePercent: 20,
    noun: "entry",
    isEnabled: true,
    space: () => Promise.resolve({ size: 100, free: 30 }),
    bytesOf: () => 0,
    delete: () => Promise.resolve(),
    onEvicted: () => {},
  });
  const short = [undefined, 10, 11].map((bytes) => cache.isSpaceShort(bytes));
  assertEquals(await Promise.all(short), [false, false, true]);
});
