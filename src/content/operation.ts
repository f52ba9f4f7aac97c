/** The type of a content Worker's operations, and the context that they run in. */

import { DaemonError } from "../errors.ts";
import type { OpenAreas } from "./areas.ts";

/** What a running operation can do besides returning. `Event` is the type of what it may emit. */
export interface OperationContext<Event = never> {
  /** Returns whether the caller has cancelled; a loop asks every few milliseconds of work. */
  cancelled(): boolean;
  /** Throws if the caller has cancelled. @throws {DaemonError} ABORTED */
  throwIfCancelled(): void;
  /** Sends an event to the caller at once, also from within a synchronous loop. */
  emit(event: Event, transfer?: Transferable[]): void;
}

/**
 * Work that a Worker does on request, one request at a time. Requests, responses and events are
 * structured clones. When it returns it holds no handle, except those that another operation
 * closes.
 */
export type Operation<Request, Response, Event = never> = (
  areas: OpenAreas,
  request: Request,
  context: OperationContext<Event>,
) => Response | Promise<Response>;

/**
 * Returns the context of one request.
 * @param cancel one Int32 that the caller sets to 1 to cancel
 */
export function operationContext<Event>(
  cancel: SharedArrayBuffer | undefined,
  emit: (event: Event, transfer?: Transferable[]) => void,
): OperationContext<Event> {
  const flag = cancel ? new Int32Array(cancel) : undefined;
  const cancelled = () => flag !== undefined && Atomics.load(flag, 0) !== 0;
  return {
    cancelled,
    throwIfCancelled() {
      if (cancelled()) throw new DaemonError("ABORTED", "the operation was cancelled");
    },
    emit,
  };
}
