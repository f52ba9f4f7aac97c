import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../src/clock.ts";

Deno.test("a sleep that is longer than a timer can keep does not end at once", async () => {
  const abort = new AbortController();
  let isOver = false;
  const sleeping = systemClock.sleep(2 ** 31, abort.signal).then(() => isOver = true);
  // A timer that cannot keep its delay fires before this one.
  await systemClock.sleep(20);
  assertEquals(isOver, false);
  abort.abort(new Error("woken"));
  await assertRejects(() => sleeping, Error, "woken");
});
