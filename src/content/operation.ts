/** What an operation of a content Worker is. */

import { DaemonError } from "../errors.ts";
import type { OpenAreas } from "./areas.ts";

/** What a running operation can say and ask. `Event` is what it may emit before it is done. */
export interface OperationContext<Event = never> {
  /** Whether the caller has given up; a loop asks this every few milliseconds of work. */
  cancelled(): boolean;
  /** @throws {DaemonError} ABORTED where the caller has given up */
  throwIfCancelled(): void;
  /** Sends something to the caller at once, also from the midst of a synchronous loop. */
  emit(event: Event, transfer?: Transferable[]): void;
}

/**
 * Work that a Worker does on request, one piece at a time. Requests, responses and events are
 * structured clones. It holds no handle when it returns, unless another operation closes it.
 */
export type Operation<Request, Response, Event = never> = (
  areas: OpenAreas,
  request: Request,
  context: OperationContext<Event>,
) => Response | Promise<Response>;

/** The context of one request; `cancel` is set to 1 by the caller when it gives up. */
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
