import { assertEquals, assertRejects } from "@std/assert";
import { forEachIndex, mapConcurrent } from "../../src/async/concurrent.ts";

Deno.test("mapConcurrent yields in the order of the items with a bounded number of calls under way", async () => {
  const open: (() => void)[] = [];
  let most = 0;
  const work = async (item: number) => {
    const turn = Promise.withResolvers<void>();
    open.push(turn.resolve);
    most = Math.max(most, open.length);
    // The last to begin is the first to end.
    if (open.length === 3 || item >= 7) open.splice(0).reverse().forEach((go) => go());
    await turn.promise;
    return item * 2;
  };
  const found = await Array.fromAsync(mapConcurrent([1, 2, 3, 4, 5, 6, 7], 3, work));
  assertEquals(found, [2, 4, 6, 8, 10, 12, 14]);
  assertEquals(most, 3);
});

Deno.test("the first failure of forEachIndex aborts the others, which are waited for", async () => {
  let ended = 0;
  const run = forEachIndex(10, 3, undefined, async (index, signal) => {
    if (index === 1) throw new Error("second");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended++;
  });
  await assertRejects(() => run, Error, "second");
  assertEquals(ended, 2);
});

Deno.test("forEachIndex rejects with the reason of the signal that stopped it", async () => {
  const stop = new AbortController();
  let begun = 0;
  const run = forEachIndex(10, 2, stop.signal, () => {
    if (++begun === 2) stop.abort(new Error("enough"));
    return Promise.resolve();
  });
  await assertRejects(() => run, Error, "enough");
  assertEquals(begun, 2);
});
