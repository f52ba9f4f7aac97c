/** Who made the call that the code at hand works for. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { TraceContext } from "../tracing/mod.ts";

/** The caller of an operation. */
export interface Caller {
  /** The address that the call came from, as gRPC has it. */
  readonly peer: string;
  /** Who that is: the name in a client's certificate, or a local user and process; absent where unknown. */
  readonly identity?: string;
  /** The span of its call; absent where nobody traces. */
  readonly trace?: TraceContext;
  /** When the caller gives up, in milliseconds since the epoch; absent where it waits for ever. */
  readonly deadline?: number;
}

/** Returns who calls, and from where, in words. */
export function formatCaller(
  { peer, identity }: { peer: string; identity?: string | undefined },
): string {
  return identity === undefined ? peer : `${identity} at ${peer}`;
}

const callers = new AsyncLocalStorage<Caller | undefined>();

/** Does `work` for a caller, or for none. */
export function withCaller<T>(caller: Caller | undefined, work: () => T): T {
  return callers.run(caller, work);
}

/** Returns who called, where the code that asks works for a call. */
export function currentCaller(): Caller | undefined {
  return callers.getStore();
}
