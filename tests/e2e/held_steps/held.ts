/**
 * Holds a workspace's work at a step for good, in a daemon that `kill_steps_test.ts` runs and kills.
 *
 * The modules of this folder stand for three of the daemon's own by an import map, as those of
 * `scripts/chaos/crash_points` do. Those hold up a thread, so that one daemon dies at one step; here
 * only the work of one workspace waits, so that one daemon is killed at all steps of the table.
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** Begins the line that says which workspace is held at which step. */
export const HELD = "held: ";

/** At which steps which workspace is held. What a daemon does of its own accord is never held. */
export const STEPS: Readonly<Record<string, readonly string[]>> = {
  "init-1": ["before worker.create"],
  "init-2": ["after worker.create"],
  "init-3": ["after worker.restoreBaseline"],
  "init-4": ["after worker.commitBaseline"],
  "init-5": ["after worker.publish"],
  "init-in-place-1": ["before worker.fillFolder"],
  "init-in-place-2": ["after worker.fillFolder"],
  "save-1": ["after store.hasBlob"],
  "save-2": ["after worker.packPrepare"],
  "save-3": ["after worker.packPart", "before store.putBlob"],
  "save-4": ["before store.putBlobBytes"],
  "save-5": ["before store.replaceRef"],
  "save-6": ["after store.replaceRef"],
  "save-7": ["after worker.commitBaseline"],
  "pending-1": ["before store.getRef"],
  "pending-2": ["after store.putRef"],
  "disposal-1": ["before worker.list"],
  "disposal-2": ["after worker.commitBaseline"],
  "disposal-3": ["before worker.trash"],
  "disposal-4": ["after worker.trash"],
  "disposal-5": ["before worker.dropBaseline"],
  "disposal-6": ["after worker.dropBaseline"],
  "disposal-in-place-1": ["before worker.emptyFolder"],
  "disposal-in-place-2": ["after worker.emptyFolder"],
};

const workspace = new AsyncLocalStorage<string>();
const encoder = new TextEncoder();

/** Does the work of a call on a workspace. */
export function inWorkspace<T>(id: string, work: () => T): T {
  return workspace.run(id, work);
}

/** Returns the function, to be called in the workspace whose work is under way now. */
export function bound<Args extends unknown[], Result>(
  call: (...args: Args) => Result,
): (...args: Args) => Result {
  const id = workspace.getStore();
  return id === undefined ? call : (...args) => workspace.run(id, () => call(...args));
}

/** Does a step, unless the workspace whose work it is is held before or after it. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  await hold(`before ${name}`);
  const result = await work();
  await hold(`after ${name}`);
  return result;
}

async function hold(moment: string): Promise<void> {
  const id = workspace.getStore();
  if (id === undefined || !STEPS[id]?.includes(moment)) return;
  Deno.stderr.writeSync(encoder.encode(`${HELD}${id} ${moment}\n`));
  await new Promise(() => {});
}
