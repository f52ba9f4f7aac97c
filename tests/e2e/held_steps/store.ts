/** Stands for the stores' entry: each call to the store is a step. */

import { type ObjectStore, openStore as open } from "../../../src/store/mod.ts";
import { step } from "./held.ts";

export * from "../../../src/store/mod.ts";

type Step = "getRef" | "hasBlob" | "putBlob" | "putBlobBytes" | "putRef" | "replaceRef";

/** Opens the configured store. */
export async function openStore(...args: Parameters<typeof open>): Promise<ObjectStore> {
  const store = await open(...args);
  const steps: Pick<ObjectStore, Step> = {
    getRef: (...args) => step("store.getRef", () => store.getRef(...args)),
    hasBlob: (...args) => step("store.hasBlob", () => store.hasBlob(...args)),
    putBlob: (...args) => step("store.putBlob", () => store.putBlob(...args)),
    putBlobBytes: (...args) => step("store.putBlobBytes", () => store.putBlobBytes(...args)),
    putRef: (...args) => step("store.putRef", () => store.putRef(...args)),
    replaceRef: (...args) => step("store.replaceRef", () => store.replaceRef(...args)),
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in steps) return Reflect.get(steps, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
