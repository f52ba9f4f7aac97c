import { assertEquals } from "@std/assert";
import { digestOf } from "../../src/digest.ts";
import { mergeHistories } from "../../src/inspect/merge_histories.ts";

const image = (name: string, createdAt: number) => ({ manifest: digestOf(name), createdAt });
const [a, b, c, d] = [image("a", 10), image("b", 20), image("c", 30), image("d", 40)];

Deno.test("histories of backups are merged by time, and nothing is taken away", () => {
  assertEquals(mergeHistories([], [b, a]), { images: [b, a], added: [b, a] });
  assertEquals(mergeHistories([a], [b, a]), { images: [b, a], added: [b] });
  assertEquals(mergeHistories([b, a], [b, a]), { images: [b, a], added: [] });
  assertEquals(mergeHistories([d, a], [c, b]), { images: [d, c, b, a], added: [c, b], newer: d });
  assertEquals(mergeHistories([c, a], [d, b]), { images: [d, c, b, a], added: [d, b], older: c });
});

Deno.test("each of two merged histories keeps its own order, whatever the clocks were", () => {
  const late = image("late", 5);
  assertEquals(mergeHistories([a, c], [late, d]).images, [a, c, late, d]);
  assertEquals(mergeHistories([late, d], [c, b]).images, [c, b, late, d]);
});
