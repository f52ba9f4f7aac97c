/** Stands for the dispatcher: each operation of a content Worker is a step of the daemon Worker. */

import { Dispatcher as RealDispatcher, type RunOptions } from "../../../src/content/dispatcher.ts";
import type {
  EventOf,
  OperationName,
  RequestOf,
  ResponseOf,
} from "../../../src/content/protocol.ts";
import { bound, step } from "./held.ts";

export * from "../../../src/content/dispatcher.ts";

/** The dispatcher, with a step around each request. */
export class Dispatcher extends RealDispatcher {
  override quick<N extends OperationName>(
    operation: N,
    request: RequestOf<N>,
  ): Promise<ResponseOf<N>> {
    return step(`worker.${operation}`, () => super.quick(operation, request));
  }

  override run<N extends OperationName>(
    operation: N,
    request: RequestOf<N>,
    options: RunOptions<EventOf<N>> = {},
  ): Promise<ResponseOf<N>> {
    const { onEvent } = options;
    const all = onEvent ? { ...options, onEvent: bound(onEvent) } : options;
    return step(`worker.${operation}`, () => super.run(operation, request, all));
  }
}
