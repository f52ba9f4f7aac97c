import { assertEquals, assertStringIncludes } from "@std/assert";
import { type DiskSpace, shortage } from "../src/disk_space.ts";

const GIB = 2 ** 30;

function space(known: Partial<DiskSpace>): DiskSpace {
  return { path: "/x", size: 100 * GIB, free: 50 * GIB, inodes: 0, freeInodes: 0, ...known };
}

Deno.test("a disk is short below the percentage, and says how full it is and what to do", () => {
  assertEquals(shortage(space({ free: 5 * GIB }), 5), undefined);
  const words = shortage(space({ free: 5 * GIB - 1 }), 5)!;
  assertStringIncludes(words, "the file system of /x is 95% full, with 5119 MiB free; dispose of");
  assertEquals(shortage(space({ free: 0 }), 0), undefined);
});

Deno.test("10 GiB are enough of the largest disk, and inodes count where there are any", () => {
  const large = space({ size: 10_000 * GIB, free: 10 * GIB });
  assertEquals(shortage(large, 90), undefined);
  assertEquals(typeof shortage({ ...large, free: 10 * GIB - 1 }, 90), "string");
  assertEquals(shortage(space({ inodes: 1000, freeInodes: 50 }), 5), undefined);
  assertStringIncludes(
    shortage(space({ inodes: 1000, freeInodes: 49 }), 5)!,
    "has used 95% of its inodes, with 49 free",
  );
});
