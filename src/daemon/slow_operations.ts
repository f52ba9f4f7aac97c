/** Notices operations that take longer than the operator expects, and says so while they go on. */

import { repeat } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { formatSize, formatSpan } from "../config/mod.ts";
import { logger } from "../log/mod.ts";
import type {
  Operation,
  OperationKind,
  OperationObserver,
  OperationRegistry,
} from "../operations/mod.ts";

const log = logger("operation");

/** Kinds that somebody waits for. */
const WATCHED: readonly OperationKind[] = ["init", "snapshot", "backup", "dispose"];

/** What {@link SlowOperations} uses. */
export interface SlowOperationsOptions {
  clock: Clock;
  operations: OperationRegistry;
  /** Milliseconds after which an operation is slow. */
  slowAfter: number;
}

/**
 * Marks an operation as slow once it has taken `slowAfter`, and logs where it stands then, and each time
 * that it has taken twice as long: at ERROR where the last attempt at a save has failed, so that
 * somebody's work is at stake, at WARN otherwise.
 */
export class SlowOperations implements OperationObserver {
  readonly #options: SlowOperationsOptions;
  /** What ends the watch of an operation that is under way. */
  readonly #watches = new Map<Operation, AbortController>();

  constructor(options: SlowOperationsOptions) {
    this.#options = options;
  }

  began(operation: Operation): void {
    if (operation.parent || !WATCHED.includes(operation.kind)) return;
    const watch = new AbortController();
    this.#watches.set(operation, watch);
    this.#keepWatching(operation, watch.signal);
  }

  ended(operation: Operation): void {
    this.#watches.get(operation)?.abort();
    this.#watches.delete(operation);
  }

  async #keepWatching(operation: Operation, signal: AbortSignal): Promise<void> {
    const { clock, slowAfter } = this.#options;
    let taken = slowAfter;
    await repeat(() => {
      operation.setSlow();
      this.#report(operation);
      // A pause that ends where the operation has taken twice as long as at its begin.
      const pause = taken;
      taken += pause;
      return pause;
    }, { clock, signal, delay: slowAfter });
  }

  #report(operation: Operation): void {
    const { clock } = this.#options;
    const { id, kind, subject, startedAt, attempt, failure } = operation;
    const level = failure && kind !== "init" ? "error" : "warn";
    const who = subject.workspace === undefined
      ? ""
      : subject.owner === undefined
      ? " of workspace {workspace}"
      : " of workspace {workspace} ({owner}/{metaId})";
    const last = failure ? "; attempt {failed} failed: {code} ({reason}): {message}" : "";
    log[level](`{kind} {operation}${who} is slow: {span} so far, {where}${last}`, {
      kind,
      operation: id,
      ...subject,
      span: formatSpan(clock.now() - startedAt),
      where: this.#whereIs(operation),
      ...(failure ? { failed: attempt - 1, ...failure } : {}),
    });
  }

  /** Returns what an operation and its steps do now, and how far they are. */
  #whereIs(operation: Operation): string {
    const steps = this.#options.operations.all().filter((one) =>
      one.parent !== undefined && one.root === operation && one.state === "running"
    );
    const phases = [operation, ...steps].map(({ phase }) => phase).filter((phase) => phase !== "");
    const { files, filesTotal, bytes, bytesTotal, ...rates } = operation.progress.read();
    const of = (total: string | undefined) => total === undefined ? "" : ` of ${total}`;
    return [
      phases.join(", "),
      `${files}${of(filesTotal?.toString())} files`,
      `${formatSize(bytes)}${of(bytesTotal === undefined ? undefined : formatSize(bytesTotal))}`,
      `network ${formatSize(rates.transferredBytes)}`,
      `${formatSize(Math.round(rates.transferredPerSecond))}/s`,
    ].join(", ");
  }
}
