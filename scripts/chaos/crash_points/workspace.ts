/** Stands for the lifecycle's entry in the daemon: its journal has crash points. */

import { Journal as RealJournal } from "../../../src/workspace/mod.ts";
import { announce, withSyncPoints } from "./points.ts";

export * from "../../../src/workspace/mod.ts";

/** The journal, with crash points around what it writes. */
export class Journal extends RealJournal {}

const METHODS = [
  "addPendingSnapshot",
  "insert",
  "remove",
  "removePendingSnapshot",
  "setState",
] as const;

announce("journal", METHODS);
for (const name of METHODS) {
  const method = RealJournal.prototype[name] as (...args: unknown[]) => unknown;
  Object.defineProperty(Journal.prototype, name, {
    value: withSyncPoints(`journal.${name}`, method),
  });
}
