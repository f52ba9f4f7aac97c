import { assert } from "@std/assert";
import { measureEventLoopDelay } from "../../src/telemetry/event_loop.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { sleepSync } from "../../src/clock.ts";
import { eventually } from "../fixtures/eventually.ts";

/** Returns how many measurements were above a bound that is one of the buckets', in seconds. */
async function above(metrics: Metrics, bound: string): Promise<number> {
  const text = await metrics.text();
  const of = (le: string) =>
    Number(
      new RegExp(`^wsdaemon_event_loop_delay_seconds_bucket\\{le="${le}"\\} (\\d+)$`, "m").exec(
        text,
      )?.[1],
    );
  return of("\\+Inf") - of(bound);
}

Deno.test("a turn that keeps the thread counts for each call that it may have kept waiting", async () => {
  const metrics = new Metrics();
  using _ = measureEventLoopDelay(metrics);
  sleepSync(400);
  await eventually(async () => assert(await above(metrics, "0\\.25") > 0));
  // Of 400 ms those that began in the first 300 waited for more than 100, one each 20 ms.
  const kept = await above(metrics, "0\\.1");
  assert(kept >= 10, `${kept}`);
});
