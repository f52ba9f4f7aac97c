/** Plays scenarios on a store whose operations of several nodes come in an order that a seed decides. */

import fc from "fast-check";
import type { ObjectStore } from "../../src/store/object_store.ts";
import type { StepScheduler } from "../fixtures/step_scheduler.ts";

/** Returns a store each of whose operations waits for its turn. */
export function scheduled(store: ObjectStore, scheduler: StepScheduler): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      if (name === "list") return call;
      return (...args: unknown[]) => scheduler.step(() => call(...args));
    },
  });
}

/**
 * Plays random scenarios, each in a folder of its own. `WSDAEMON_PROPERTY_SEED` repeats those of an earlier
 * run, whose seed is in its output.
 */
export async function playAll<Scenario>(
  scenarios: fc.Arbitrary<Scenario>,
  play: (scenario: Scenario, root: string) => Promise<void>,
  numRuns: number,
): Promise<void> {
  const property = fc.asyncProperty(scenarios, async (scenario) => {
    const root = await scratchFolder();
    try {
      await play(scenario, root);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
  const seed = Number(Deno.env.get("WSDAEMON_PROPERTY_SEED") ?? Date.now() % 2 ** 31);
  // deno-lint-ignore no-console -- it repeats a failure
  console.log(`seed ${seed}`);
  await fc.assert(property, { numRuns, seed });
}

/** Makes a folder: in memory where that can be, for the disk would only make it slow. */
async function scratchFolder(): Promise<string> {
  const shm = await Deno.stat("/dev/shm").then((info) => info.isDirectory, () => false);
  return await Deno.makeTempDir({
    prefix: "wsdaemon-property-",
    ...(shm ? { dir: "/dev/shm" } : {}),
  });
}
