/** Spans of operations. */

import { currentOperation, type Operation, type OperationObserver } from "../operations/mod.ts";
import type { SpanSink, TraceContext } from "../tracing/mod.ts";

/** Makes a span of each operation that has ended. */
export class OperationSpans implements OperationObserver {
  readonly #sink: SpanSink;

  constructor(sink: SpanSink) {
    this.#sink = sink;
  }

  began(): void {}

  ended(operation: Operation): void {
    const { kind, parent, caller, subject, startedAt, endedAt = startedAt, failure } = operation;
    const { files, bytes, storedBytes } = operation.progress.read();
    this.#sink.add({
      ...contextOf(operation),
      parentSpanId: parent?.id ?? caller?.trace?.spanId,
      name: kind,
      kind: "internal",
      start: startedAt,
      end: endedAt,
      attributes: {
        "wsdaemon.operation": operation.root.id,
        "wsdaemon.workspace": subject.workspace,
        "wsdaemon.owner": subject.owner,
        "wsdaemon.meta_id": subject.metaId,
        "wsdaemon.url": subject.url,
        "wsdaemon.files": files,
        "wsdaemon.bytes": bytes,
        "wsdaemon.stored_bytes": storedBytes,
        "wsdaemon.attempts": operation.attempt,
        "error.type": failure?.reason,
      },
      error: failure?.message,
    });
  }
}

/** Returns the span of the operation that the code at hand works for. */
export function currentSpan(): TraceContext | undefined {
  const operation = currentOperation();
  return operation && contextOf(operation);
}

/**
 * Returns an operation's span: its id, in its caller's trace. One that nobody called for is a trace of its
 * own, named by its id twice.
 */
function contextOf({ id, root, caller }: Operation): TraceContext {
  const { traceId, isSampled } = caller?.trace ??
    { traceId: `${root.id}${root.id}`, isSampled: true };
  return { traceId, spanId: id, isSampled };
}
