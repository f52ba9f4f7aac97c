import { assertEquals } from "@std/assert";
import { batchesOf, totalsLine, totalsOf } from "../../scripts/test.ts";

Deno.test("totals of a run of tests are those of its last line", () => {
  const output =
    "a ... ok (3ms)\n\nok | 2 passed | 0 failed (1s)\nFAILED | 12 passed (3 steps) | " +
    "1 failed (1 step) | 4 ignored (2m5s)\n\nerror: Test failed\n";
  assertEquals(totalsOf(output), { passed: 12, steps: 3, failed: 1, ignored: 4 });
  assertEquals(totalsOf("ok | 1 passed | 0 failed (5ms)"), {
    passed: 1,
    steps: 0,
    failed: 0,
    ignored: 0,
  });
  assertEquals(totalsOf("error: Uncaught Error"), undefined);
});

Deno.test("the last line of several runs reads as that of one", () => {
  const totals = { passed: 12, steps: 3, failed: 1, ignored: 4 };
  assertEquals(totalsOf(totalsLine(totals, false, 125)), totals);
});

Deno.test("every file of tests is run once, and large ones are spread and begin early", () => {
  const files = Array.from({ length: 11 }, (_, n) => ({ path: `tests/${n}_test.ts`, size: n }));
  const batches = batchesOf(files);
  assertEquals(batches.flat().toSorted(), files.map(({ path }) => path).toSorted());
  assertEquals(batches.map(([first]) => first), [
    "tests/10_test.ts",
    "tests/9_test.ts",
    "tests/8_test.ts",
  ]);
  assertEquals(batchesOf([]), []);
});
