/** The type of a content Worker's operations, and the context that they run in. */

import { DaemonError } from "../errors.ts";
import type { OpenAreas } from "./areas.ts";
import type { RequestMemory } from "./request_memory.ts";

/** The context of a running operation. `Event` is the type of its events. */
export interface OperationContext<Event = never> {
  /** Returns whether the caller has cancelled; a loop asks every few milliseconds of work. */
  cancelled(): boolean;
  /** Throws if the caller has cancelled. @throws {DaemonError} ABORTED */
  throwIfCancelled(): void;
  /**
   * Reports how many files and bytes of content this request has done so far. It costs next to nothing; a
   * loop calls it wherever it asks whether it is cancelled.
   */
  report(files: number, bytes: number): void;
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

/** Returns the context of one request. */
export function operationContext<Event>(
  memory: RequestMemory,
  emit: (event: Event, transfer?: Transferable[]) => void,
): OperationContext<Event> {
  return {
    cancelled: () => memory.isCancelled,
    throwIfCancelled() {
      if (memory.isCancelled) throw new DaemonError("ABORTED", "the operation was cancelled");
    },
    report: (files, bytes) => memory.report(files, bytes),
    emit,
  };
}
