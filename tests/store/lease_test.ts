import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestOf } from "../../src/digest.ts";
import { awaitCollector, decodeLease, encodeLease, shortName } from "../../src/store/lease.ts";
import { ManualClock } from "../fixtures/clock.ts";

const wanted = digestOf("wanted");
const other = digestOf("other");

Deno.test("a lease reads back, and what is none binds nobody", () => {
  const lease = { holder: "h", expiresAt: 1000, condemned: [shortName(wanted)] };
  assertEquals(decodeLease(encodeLease(lease)), lease);
  const encode = (text: string) => new TextEncoder().encode(text);
  for (
    const text of ["", "{", "null", "[]", '{"version":2,"holder":"h","expiresAt":1,"condemned":[]}']
  ) {
    assertEquals(decodeLease(encode(text)), undefined, text);
  }
});

Deno.test("a writer waits for no lease that is absent, expired or about other blobs", async () => {
  const clock = new ManualClock();
  const lease = (expiresAt: number, digest = wanted) =>
    encodeLease({ holder: "h", expiresAt, condemned: [shortName(digest)] });
  for (const bytes of [undefined, lease(100), lease(200, other), new Uint8Array(3)]) {
    const read = () => Promise.resolve(bytes);
    assertEquals(await awaitCollector(wanted, { read, now: () => 100, clock }), false);
  }
});

Deno.test("a writer whose blob is condemned waits until the lease is withdrawn, and is told so", async () => {
  const condemned = encodeLease({
    holder: "h",
    expiresAt: 200,
    condemned: [shortName(other), shortName(wanted)],
  });
  let sleeps = 0;
  const clock = {
    now: () => 100,
    monotonic: () => 100,
    sleep: () => Promise.resolve(void sleeps++),
  };
  const read = () => Promise.resolve(sleeps < 3 ? condemned : undefined);
  assert(await awaitCollector(wanted, { read, now: () => 100, clock }));
  assertEquals(sleeps, 3);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  const waiting = awaitCollector(wanted, {
    read: () => Promise.resolve(condemned),
    now: () => 100,
    clock: {
      ...clock,
      sleep: (_ms: number, signal?: AbortSignal) => Promise.reject(signal?.reason),
    },
    signal: stop.signal,
  });
  await assertRejects(() => waiting, Error, "enough");
});
