import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  measureShell,
  parseTimes,
  percentile,
  spread,
  summarize,
} from "../../../scripts/bench/measure.ts";

Deno.test("times of a shell are those of itself and of its children, in whatever locale", () => {
  assertAlmostEquals(parseTimes("0m0.010s 0m0.020s\n1m2.500s 0m0.470s\n"), 63);
  assertAlmostEquals(parseTimes("0m0,010s 0m0,020s\n0m1,000s 0m0,000s\n"), 1.03);
});

Deno.test("a spread has the median, the least and the most", () => {
  assertEquals(spread([3, 1, 2]), { median: 2, least: 1, most: 3 });
  assertEquals(spread([4, 1]), { median: 2.5, least: 1, most: 4 });
  assertEquals(percentile([1, 2, 3, 4], 0.5), 2);
});

Deno.test("runs are summed up without a sync where there was none", () => {
  const run = { wall: 2, cpu: 1, memory: 10 };
  const summary = summarize([run, { ...run, wall: 4 }]);
  assertEquals(summary.wall, { median: 3, least: 2, most: 4 });
  assertEquals(summary.unsynced, undefined);
  assertEquals(summarize([{ ...run, unsynced: 1.5 }]).unsynced?.median, 1.5);
});

Deno.test("a command that fails in the middle of a pipe is an error that says why", async () => {
  const script = `sh -c 'echo what >&2; exit 3' | cat`;
  const error = await assertRejects(() => measureShell(script, { cwd: "/" }), Error);
  assert(error.message.includes("what"));
});
