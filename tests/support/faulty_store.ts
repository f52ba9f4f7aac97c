/** A store that fails when told to: the nth call of a named operation, before or after it was done. */

import { DaemonError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/store/api.ts";

/** The operations that can be made to fail. */
export type StoreOperation = Exclude<keyof ObjectStore, "close" | "kind" | "minimumGraceMs">;

export interface PlannedFault {
  operation: StoreOperation;
  /** Which call of it, from 1; each fault fires once. */
  nth: number;
  /** UNAVAILABLE unless given. */
  error?: Error;
  /** Do what was asked and fail then, as where an answer is lost. */
  afterwards?: boolean;
}

/** A store with faults; `store` is the decorated one. */
export interface FaultyStore {
  store: ObjectStore;
  /** Calls so far of an operation. */
  calls(operation: StoreOperation): number;
  /** @throws where a planned fault did not fire: then the test did not test it. */
  assertAllFired(): void;
}

type Operation = (...args: unknown[]) => unknown;

/** Decorates `inner` with faults. */
export function faultyStore(inner: ObjectStore, plan: readonly PlannedFault[]): FaultyStore {
  const calls = new Map<string, number>();
  const pending = new Set(plan);
  const wrap = (operation: StoreOperation, original: Operation): Operation => (...args) => {
    const nth = (calls.get(operation) ?? 0) + 1;
    calls.set(operation, nth);
    const fault = [...pending].find((one) => one.operation === operation && one.nth === nth);
    if (!fault) return original(...args);
    pending.delete(fault);
    const error = fault.error ?? new DaemonError("UNAVAILABLE", `Planned fault in ${operation}`);
    if (operation === "list") return failingList(error);
    return fault.afterwards
      ? Promise.resolve(original(...args)).then(() => Promise.reject(error))
      : Promise.reject(error);
  };
  const store = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const bound = value.bind(target) as Operation;
      return name === "close" ? bound : wrap(name as StoreOperation, bound);
    },
  });
  return {
    store,
    calls: (operation) => calls.get(operation) ?? 0,
    assertAllFired() {
      if (pending.size === 0) return;
      const names = [...pending].map(({ operation, nth }) => `${operation} #${nth}`);
      throw new Error(`Planned faults that never fired: ${names.join(", ")}`);
    },
  };
}

// deno-lint-ignore require-yield -- it fails before the first entry
async function* failingList(error: Error): AsyncGenerator<never> {
  await Promise.resolve();
  throw error;
}
