/** A store whose operations of several nodes come in an order that a seed decides, and a folder for it. */

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

/** Makes a folder: in memory where that can be, for the disk would only make it slow. */
export async function scratchFolder(): Promise<string> {
  const shm = await Deno.stat("/dev/shm").then((info) => info.isDirectory, () => false);
  return await Deno.makeTempDir({
    prefix: "wsdaemon-property-",
    ...(shm ? { dir: "/dev/shm" } : {}),
  });
}
