import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bytesNeeded, missingSpace } from "../../../scripts/bench/space.ts";

const GIB = 2 ** 30;
const CORPUS = { name: "small", bytes: 2 * GIB, files: 1000 } as const;
const SPACE = { path: "/disk", size: 100 * GIB, free: 20 * GIB, inodes: 10_000, freeInodes: 5000 };
const PLAN = {
  corpora: [CORPUS],
  tools: 3,
  measurements: [],
  first: CORPUS,
  largeFileBytes: 2 ** 30,
} as const;

Deno.test("a corpus takes its tree, a restored one, each tool's store, and a reserve", () => {
  assertEquals(bytesNeeded(CORPUS, 3), 11 * GIB);
  assertEquals(missingSpace(PLAN, SPACE), undefined);
  assertEquals(missingSpace(PLAN, { ...SPACE, free: 11 * GIB }), undefined);
});

Deno.test("a bench says before it starts what has too little space, and how much", () => {
  const words = missingSpace(PLAN, { ...SPACE, free: 11 * GIB - 1 });
  assert(words !== undefined);
  assertStringIncludes(words, "too little space in /disk");
  assertStringIncludes(words, "the corpus small takes 11.0 GiB, and 11.0 are free");
  assertStringIncludes(words, "--folder");
});

Deno.test("a bench that has too few inodes says so, unless the file system makes them", () => {
  const few = { ...SPACE, freeInodes: 1999 };
  assertStringIncludes(missingSpace(PLAN, few) ?? "", "takes 2000 inodes, and 1999 are free");
  assertEquals(missingSpace(PLAN, { ...few, inodes: 0, freeInodes: 0 }), undefined);
});

Deno.test("measurements of daemons need space, too", () => {
  const plan = { ...PLAN, corpora: [], measurements: ["starts"] } as const;
  assertStringIncludes(missingSpace(plan, SPACE) ?? "", "starts takes 51.0 GiB");
});
