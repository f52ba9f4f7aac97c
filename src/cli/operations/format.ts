/** Formats workspaces and operations as text for terminals. */

import { formatSize, formatSpan } from "../../config/mod.ts";
import {
  type Operation,
  OperationKind,
  OperationState,
  type Workspace,
  WorkspaceState,
} from "../../wire/mod.ts";

/** What a terminal does not show, or acts upon. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Returns a daemon's text as one line that does nothing to a terminal. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (odd) => /\s/.test(odd) ? " " : `\\u{${odd.codePointAt(0)!.toString(16)}}`,
  );
}

/** Returns the name of an enum's value as people write it: `SETTING_UP`, `backup`. */
export function stateName(state: WorkspaceState): string {
  return WorkspaceState[state] ?? `${state}`;
}

/** Returns the name of a kind: `backup`. */
export function kindName(kind: OperationKind): string {
  return (OperationKind[kind] ?? `${kind}`).toLowerCase();
}

/** Returns the name of a state: `running`. */
export function outcomeName(state: OperationState): string {
  return (OperationState[state] ?? `${state}`).toLowerCase();
}

/** Returns the milliseconds of a message's time; `undefined` for none. */
export function timeOf(time: { seconds: bigint; nanos: number } | undefined): number | undefined {
  return time && Number(time.seconds) * 1000 + time.nanos / 1e6;
}

/** Returns from 0 to 1 how much of an operation is done, where that is known. */
export function fractionOf({ progress }: Operation): number | undefined {
  if (!progress) return undefined;
  const { bytesDone, bytesTotal, filesDone, filesTotal } = progress;
  if (bytesTotal) return Number(bytesDone) / Number(bytesTotal);
  if (filesTotal) return Number(filesDone) / Number(filesTotal);
  return undefined;
}

/** What operations count in the place of files. */
const COUNTED: Partial<Record<OperationKind, string>> = {
  // Blobs, or references of images.
  [OperationKind.COLLECTION]: "objects",
  [OperationKind.VERIFICATION]: "blobs",
  [OperationKind.DRAIN]: "workspaces",
};

/** Returns what an operation has done, in words: `12 of 40 files, 3.4 MiB of 5.0 MiB, 1.2 MiB/s`. */
export function describeProgress({ kind, progress, state }: Operation): string {
  if (!progress) return "";
  const { filesDone, filesTotal, bytesDone, bytesTotal, storedBytes, bytesPerSecond } = progress;
  const { transferredBytes, transferredPerSecond } = progress;
  const size = (bytes: bigint) => formatSize(Number(bytes));
  const parts: string[] = [];
  if (filesDone > 0n || filesTotal) {
    const total = filesTotal === undefined ? "" : ` of ${filesTotal}`;
    parts.push(`${filesDone}${total} ${COUNTED[kind] ?? "files"}`);
  }
  if (bytesDone > 0n || bytesTotal) {
    parts.push(size(bytesDone) + (bytesTotal === undefined ? "" : ` of ${size(bytesTotal)}`));
  }
  if (storedBytes > 0n) parts.push(`${size(storedBytes)} stored`);
  const isRunning = state === OperationState.RUNNING;
  if (isRunning && bytesPerSecond > 0n) parts.push(`${size(bytesPerSecond)}/s`);
  if (isRunning && transferredBytes > 0n) {
    parts.push(`network ${size(transferredBytes)}, ${size(transferredPerSecond)}/s`);
  }
  return parts.join(", ");
}

/** Returns what an operation does now, or how it ended, in a few words. */
export function describeState(operation: Operation): string {
  const { state, phase, queuePosition, attempt, maxAttempts, cancelRequested, slow } = operation;
  if (state !== OperationState.RUNNING) return outcomeName(state);
  if (cancelRequested) return "cancelling";
  const place = queuePosition === undefined ? "" : `, ${queuePosition} before it`;
  const tries = attempt > 1 ? `, attempt ${attempt}${maxAttempts ? ` of ${maxAttempts}` : ""}` : "";
  return printable(phase || "starting") + (slow ? ", slow" : "") + place + tries;
}

/** Returns why an operation, or its last attempt, failed; empty where it has not. */
export function failureWords({ failure }: Operation): string {
  if (!failure) return "";
  return `${failure.code}: ${printable(failure.message)} [${failure.reason}]`;
}

/** Returns one of the figures of an operation that has ended; 0 where it has none of that name. */
export function figureOf({ figures }: Operation, name: string): number {
  return Number(figures[name] ?? 0);
}

/** Returns how long an operation has run, or ran. */
export function elapsedOf({ startTime, endTime }: Operation, now: number): string {
  const start = timeOf(startTime) ?? now;
  return formatSpan((timeOf(endTime) ?? now) - start);
}

/**
 * Returns operations with their steps right after them, each with how deep it is. What is a step of
 * none of them comes where it was.
 */
export function asTree(
  operations: readonly Operation[],
): { operation: Operation; depth: number }[] {
  const ids = new Set(operations.map(({ id }) => id));
  const below = (parent: string, depth: number): { operation: Operation; depth: number }[] =>
    operations
      .filter(({ parentId }) => parentId === parent)
      .flatMap((operation) => [{ operation, depth }, ...below(operation.id, depth + 1)]);
  return operations
    .filter(({ parentId }) => !ids.has(parentId))
    .flatMap((operation) => [{ operation, depth: 0 }, ...below(operation.id, 1)]);
}

/** Headings of {@link workspaceRow}. */
export const WORKSPACE_HEADINGS = [
  "ID",
  "OWNER",
  "META_ID",
  "STATE",
  "FROM",
  "USED",
  "QUOTA",
  "LAST IMAGE",
  "OPERATIONS",
] as const;

/** Returns a workspace as a row of a table. */
export function workspaceRow(workspace: Workspace, now: number): string[] {
  const { id, owner, metaId, state, initializer, usedBytes, quotaBytes, operationIds } = workspace;
  return [
    id,
    owner,
    metaId,
    stateName(state),
    initializer || "-",
    usedBytes === undefined ? "-" : formatSize(Number(usedBytes)),
    quotaBytes === 0n ? "-" : formatSize(Number(quotaBytes)),
    lastImage(workspace, now),
    operationIds.join(" ") || "-",
  ];
}

/** Returns the age of a workspace's last image, or why there is none. */
export function lastImage({ lastImage, lastImageProblem }: Workspace, now: number): string {
  const created = timeOf(lastImage?.createTime);
  if (created !== undefined) return `${formatSpan(now - created)} ago`;
  return lastImageProblem === "" ? "none" : "?";
}

/** Returns who asked for an operation: by name where that is known, else by address. */
function callerName({ caller }: Operation): string {
  return printable(caller?.identity || caller?.peer || "-");
}

/** Headings of {@link operationRow}. */
export const OPERATION_HEADINGS = [
  "ID",
  "KIND",
  "WORKSPACE",
  "BY",
  "FOR",
  "STATE",
  "DONE",
] as const;

/** Returns an operation as a row of a table; a step is indented. */
export function operationRow(operation: Operation, depth: number, now: number): string[] {
  const failure = failureWords(operation);
  return [
    operation.id,
    "  ".repeat(depth) + kindName(operation.kind),
    operation.workspaceId || "-",
    depth > 0 ? "" : callerName(operation),
    elapsedOf(operation, now),
    describeState(operation),
    [describeProgress(operation), failure].filter((part) => part !== "").join("; ") || "-",
  ];
}
