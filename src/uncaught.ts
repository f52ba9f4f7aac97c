/**
 * The last handler of a thread: for what is thrown where nobody catches it.
 *
 * A callback of a timer or a socket and a promise that nobody awaits have no caller; what they throw
 * would end the thread, and with it the process and everybody's work. It is a bug each time, in
 * our code or a library's, but one of a single operation. Where the runtime still knows which (a
 * rejection, a microtask, a listener that was called in its course), that operation is told; a timer's or
 * a socket's callback has lost its operation, which then ends by its own limits.
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** Something that nobody caught. */
export interface Uncaught {
  kind: "exception" | "rejection";
  error: unknown;
  /** Tells the operation that it happened in; absent where that is not known. */
  fail?: (error: unknown) => void;
}

const operations = new AsyncLocalStorage<(error: unknown) => void>();

/** Does `work`, and calls `fail` with what is thrown in its course and nobody catches. */
export function withUncaughtHandler<T>(fail: (error: unknown) => void, work: () => T): T {
  return operations.run(fail, work);
}

/**
 * Has `report` called for everything that nobody catches in this thread, which then goes on; until it
 * is disposed of.
 */
export function handleUncaught(report: (uncaught: Uncaught) => void): Disposable {
  const handle = (event: Event, kind: Uncaught["kind"], error: unknown) => {
    event.preventDefault();
    const fail = operations.getStore();
    report({ kind, error, ...(fail ? { fail } : {}) });
  };
  const onError = (event: ErrorEvent) => handle(event, "exception", event.error ?? event.message);
  const onRejection = (event: PromiseRejectionEvent) => handle(event, "rejection", event.reason);
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("error", onError);
      globalThis.removeEventListener("unhandledrejection", onRejection);
    },
  };
}
