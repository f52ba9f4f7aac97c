import { assert, assertEquals } from "@std/assert";
import { partSizeFor } from "../../src/store/s3/multipart_upload.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;
const MAX_PARTS = 10_000;

Deno.test("parts have the configured size while there are at most 10,000 of them", () => {
  for (const size of [0, 1, 16 * MIB, 5 * GIB, 16 * MIB * MAX_PARTS]) {
    assertEquals(partSizeFor(size, 16 * MIB), 16 * MIB);
  }
});

Deno.test("larger files have larger parts, of whole mebibytes, and at most 10,000 of them", () => {
  assertEquals(partSizeFor(16 * MIB * MAX_PARTS + 1, 16 * MIB), 17 * MIB);
  assertEquals(partSizeFor(17 * MIB * MAX_PARTS, 16 * MIB), 17 * MIB);
  for (const size of [200 * GIB + 1, 1000 * GIB, 5 * 1024 * GIB, 5 * 1024 * GIB - 1]) {
    const part = partSizeFor(size, 16 * MIB);
    assertEquals(part % MIB, 0);
    assert(part * MAX_PARTS >= size, `${size} bytes do not fit into parts of ${part}`);
    assert((part - MIB) * MAX_PARTS < size, `parts of ${part} are larger than ${size} bytes need`);
  }
});
