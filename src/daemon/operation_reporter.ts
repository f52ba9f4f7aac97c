/** Logs the operations of this node: each one's begin and end, and what it failed with. */

import { causesOf, DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import {
  currentOperation,
  formatCaller,
  type Operation,
  type OperationKind,
  type OperationObserver,
} from "../operations/mod.ts";
import { SCHEDULE } from "../workspace/mod.ts";

const log = logger("operation");

type Level = "debug" | "info" | "warn" | "error";

/** Returns the properties that records carry which are made in the course of an operation. */
export function operationContext(): Record<string, unknown> {
  const operation = currentOperation();
  if (!operation) return {};
  const { root, caller } = operation;
  return { operation: root.id, ...(caller?.trace ? { trace: caller.trace.traceId } : {}) };
}

/**
 * Logs operations as they begin and end, whether or not their callers are still there. A failure is one
 * record: at ERROR where somebody's work is at stake, at WARN where nobody loses anything. Steps are
 * logged at DEBUG, since the whole ends with what they failed with, and so are deletions in the
 * background, of which the `ContentDeleter` tells.
 */
export const operationReporter: OperationObserver = {
  began(operation) {
    const level = isQuiet(operation) ? "debug" : "info";
    log[level](`${nameOf(operation)} begins, for {caller}`, {
      ...named(operation),
      caller: callerOf(operation),
    });
  },

  ended(operation, error) {
    const figures = { ...named(operation), ...figuresOf(operation) };
    if (!operation.failure) {
      const level = isQuiet(operation) ? "debug" : "info";
      return log[level](`${nameOf(operation)} ended after {ms} ms: ${FIGURES}`, figures);
    }
    const { code, reason, message } = operation.failure;
    const outcome = operation.state === "cancelled" ? "was cancelled" : "failed";
    log[levelOf(operation)](
      `${nameOf(operation)} ${outcome} after {ms} ms, for {caller}: {code} ({reason}): {message}`,
      {
        ...figures,
        caller: callerOf(operation),
        code,
        reason,
        message,
        ...(code === "INTERNAL" ? { error } : {}),
        causes: causeMessages(error),
      },
    );
  },
};

/** Returns how a record names an operation and what it works on; placeholders are {@link named}'s. */
function nameOf({ parent, subject }: Operation): string {
  const what = parent ? "{kind}, a step of {operation}," : "{kind} {operation}";
  if (subject.workspace === undefined) {
    if (subject.owner === undefined) return subject.url === undefined ? what : `${what} of {url}`;
    return subject.metaId === undefined ? `${what} of {owner}` : `${what} of {owner}/{metaId}`;
  }
  const identity = subject.owner === undefined ? "" : " ({owner}/{metaId})";
  return `${what} of workspace {workspace}${identity}`;
}

const FIGURES = "{files} files, {bytes} bytes, {storedBytes} bytes stored, {attempts} attempts";

/** Returns the properties that name an operation: the id of the whole, and its own where it is a step. */
function named({ id, root, kind, parent, subject }: Operation): Record<string, unknown> {
  return { kind, operation: root.id, ...(parent ? { step: id } : {}), ...subject };
}

function figuresOf({ progress, attempt, startedAt, endedAt }: Operation): Record<string, unknown> {
  const { files, bytes, storedBytes } = progress.read();
  return { ms: (endedAt ?? startedAt) - startedAt, files, bytes, storedBytes, attempts: attempt };
}

function callerOf({ caller }: Operation): string {
  return caller ? formatCaller(caller) : "the daemon itself";
}

/** Failures of these leave somebody's work unsaved. */
const SAVES: readonly OperationKind[] = [
  "backup",
  "snapshot",
  "collection",
  "verification",
  "drain",
];

/**
 * Steps; what is deleted in the background, which is tried until it is gone, whoever began it; and
 * scheduled backups, of which the `BackupSchedule` tells.
 */
function isQuiet({ kind, parent, maxAttempts, caller }: Operation): boolean {
  return parent !== undefined || (kind === "deletion" && maxAttempts === Infinity) ||
    (kind === "backup" && caller?.peer === SCHEDULE);
}

function levelOf(operation: Operation): Level {
  if (isQuiet(operation)) return "debug";
  const { kind, state, failure } = operation;
  if (state === "cancelled") return "info";
  const { code, reason } = failure!;
  if (code === "INTERNAL" || code === "DATA_LOSS") return "error";
  // The content stays, and a snapshot that was promised is resumed by the next start.
  if (reason === "SHUTTING_DOWN") return "warn";
  return SAVES.includes(kind) ? "error" : "warn";
}

/** Returns the messages of what a failure was caused by, outermost first; those said already are left out. */
function causeMessages(error: unknown): string[] {
  const causes: string[] = [];
  let said = error instanceof Error ? error.message : "";
  for (const at of causesOf(error)) {
    if (said.includes(at.message)) continue;
    causes.push(at instanceof DaemonError ? `${at.code}: ${at.message}` : at.message);
    said = at.message;
  }
  return causes;
}
