import { assertEquals } from "@std/assert";
import { Pace } from "../../src/store/s3/http/pace.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

Deno.test("the tail of a body is waited for as long as the way to the server has shown to need", () => {
  const pace = new Pace(64 * KIB);
  const full = 64 * MIB;
  assertEquals(pace.allowanceMs(0), 0);
  // Nothing is known yet: 4 MiB, which is what the system buffers, at a quarter of 1 MiB a second.
  assertEquals(pace.allowanceMs(full), 16_000);
  assertEquals(pace.allowanceMs(MIB), 4000);
  // Fast ways are found out step by step, slow ones at once.
  for (let n = 0; n < 3; n++) pace.answered(16 * MIB, 100);
  assertEquals(pace.allowanceMs(full), 2000);
  pace.answered(16 * MIB, 160_000);
  assertEquals(pace.allowanceMs(full), 64_000);
  // Small requests tell nothing.
  pace.answered(1000, 10_000);
  assertEquals(pace.allowanceMs(full), 64_000);
});

Deno.test("a server that was silent is given more time, down to the slowest rate", () => {
  const pace = new Pace(64 * KIB);
  const allowances = Array.from({ length: 6 }, () => {
    pace.stalled();
    return pace.allowanceMs(4 * MIB);
  });
  assertEquals(allowances, [32_000, 64_000, 64_000, 64_000, 64_000, 64_000]);
});
