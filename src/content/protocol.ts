/** Messages between the pool and a content Worker, over one MessagePort a Worker. */

import type { WireError } from "../errors.ts";
import type { OperationContext } from "./operation.ts";
import type { Uncaught } from "../uncaught.ts";
import type { operations } from "./operations/mod.ts";

type Operations = typeof operations;
export type OperationName = keyof Operations;

export type RequestOf<N extends OperationName> = Parameters<Operations[N]>[1];
export type ResponseOf<N extends OperationName> = Awaited<ReturnType<Operations[N]>>;
export type EventOf<N extends OperationName> = Parameters<Operations[N]>[2] extends
  OperationContext<infer Event> ? Event : never;

/** To a Worker. It gets the next one only when it has answered. */
export interface RequestMessage {
  id: number;
  operation: OperationName;
  request: unknown;
  /** One Int32: 1 once the caller has given up. */
  cancel?: SharedArrayBuffer;
}

/** From a Worker: any number of events, then one result; and at any time what nothing caught in it. */
export type ReplyMessage =
  | { kind: "uncaught"; what: Uncaught["kind"]; error: WireError }
  | { kind: "event"; id: number; event: unknown }
  | { kind: "done"; id: number; response: unknown }
  | { kind: "failed"; id: number; error: WireError };
