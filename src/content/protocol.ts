/** Messages between the dispatcher and a content Worker, over one MessagePort a Worker. */

import type { WireError } from "../errors.ts";
import type { OperationContext } from "./operation.ts";
import type { Uncaught } from "../uncaught.ts";
import type { operations } from "./operations/mod.ts";

type Operations = typeof operations;
/** The name of an operation in `operations/mod.ts`. */
export type OperationName = keyof Operations;

/** The request of an operation. */
export type RequestOf<N extends OperationName> = Parameters<Operations[N]>[1];
/** The response of an operation. */
export type ResponseOf<N extends OperationName> = Awaited<ReturnType<Operations[N]>>;
/** The events that an operation may emit before it returns. */
export type EventOf<N extends OperationName> = Parameters<Operations[N]>[2] extends
  OperationContext<infer Event> ? Event : never;

/** A request to a Worker, sent only after the previous one was answered. */
export interface RequestMessage {
  id: number;
  operation: OperationName;
  request: unknown;
  /** Memory of a `RequestMemory`. */
  memory: SharedArrayBuffer;
}

/**
 * A Worker's message: any number of events, then one result; at any time an error that nothing
 * caught.
 */
export type ReplyMessage =
  | { kind: "uncaught"; what: Uncaught["kind"]; error: WireError }
  | { kind: "event"; id: number; event: unknown }
  | { kind: "done"; id: number; response: unknown }
  | { kind: "failed"; id: number; error: WireError };
