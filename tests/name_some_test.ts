import { assertEquals } from "@std/assert";
import { nameSome } from "../src/name_some.ts";

Deno.test("a message names ten of many, and says how many more there are", () => {
  const names = Array.from({ length: 12 }, (_, n) => `n${n}`);
  assertEquals(nameSome(names), "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more");
  assertEquals(nameSome(names.slice(0, 10)), "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9");
});
