import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { binarySearch, lowerBound } from "../src/binary_search.ts";

const sorted = fc.array(fc.integer({ min: -20, max: 20 })).map((values) =>
  values.sort((a, b) => a - b)
);

Deno.test("lowerBound finds what a walk finds, in every ordered list", () => {
  fc.assert(fc.property(sorted, fc.integer({ min: -21, max: 21 }), (values, wanted) => {
    const walked = values.findIndex((value) => value >= wanted);
    const found = lowerBound(values.length, (n) => values[n]! < wanted);
    assertEquals(found, walked < 0 ? values.length : walked);
  }));
});

Deno.test("binarySearch finds the first of those that are equal, and nothing else", () => {
  fc.assert(fc.property(sorted, fc.integer({ min: -21, max: 21 }), (values, wanted) => {
    const walked = values.indexOf(wanted);
    const found = binarySearch(values.length, (n) => values[n]! - wanted);
    assertEquals(found, walked < 0 ? undefined : walked);
  }));
});

Deno.test("a search asks no more often than its list can be halved", () => {
  let asked = 0;
  lowerBound(1_000_000, (n) => {
    asked++;
    return n < 765_432;
  });
  assertEquals(asked <= 20, true, `${asked} questions`);
});
