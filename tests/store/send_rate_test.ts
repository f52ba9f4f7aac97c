import { assertEquals } from "@std/assert";
import { SendRate } from "../../src/store/s3/http/send_rate.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

Deno.test("the tail of a body is waited for as long as the way to the server has shown to need", () => {
  const sendRate = new SendRate(64 * KIB);
  const full = 64 * MIB;
  assertEquals(sendRate.allowanceMs(0), 0);
  // Nothing is known yet: 4 MiB, which is what the system buffers, at a quarter of 1 MiB a second.
  assertEquals(sendRate.allowanceMs(full), 16_000);
  assertEquals(sendRate.allowanceMs(MIB), 4000);
  // Fast ways are found out step by step, slow ones at once.
  for (let n = 0; n < 3; n++) sendRate.answered(16 * MIB, 100);
  assertEquals(sendRate.allowanceMs(full), 2000);
  sendRate.answered(16 * MIB, 160_000);
  assertEquals(sendRate.allowanceMs(full), 64_000);
  // Small requests tell nothing.
  sendRate.answered(1000, 10_000);
  assertEquals(sendRate.allowanceMs(full), 64_000);
});

Deno.test("a server that was silent is given more time, down to the slowest rate", () => {
  const sendRate = new SendRate(64 * KIB);
  const allowances = Array.from({ length: 6 }, () => {
    sendRate.stalled();
    return sendRate.allowanceMs(4 * MIB);
  });
  assertEquals(allowances, [32_000, 64_000, 64_000, 64_000, 64_000, 64_000]);
});
