/** Operations, workspaces and snapshots as messages. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SnapshotStatus, WorkspaceView } from "../admin/mod.ts";
import type { FoundImage } from "../inspect/mod.ts";
import type {
  Operation,
  OperationFailure,
  OperationKind,
  OperationState,
} from "../operations/mod.ts";
import {
  type FailureSchema,
  type GetSnapshotResponseSchema,
  ImageKind,
  type ImageSchema,
  OperationKind as WireKind,
  type OperationSchema,
  OperationState as WireState,
  type ProgressSchema,
  SnapshotState,
  type WorkspaceSchema,
  WorkspaceState,
} from "../wire/mod.ts";

const KINDS: Readonly<Record<OperationKind, WireKind>> = {
  init: WireKind.INIT,
  snapshot: WireKind.SNAPSHOT,
  backup: WireKind.BACKUP,
  dispose: WireKind.DISPOSE,
  restore: WireKind.RESTORE,
  download: WireKind.DOWNLOAD,
  git: WireKind.GIT,
  deletion: WireKind.DELETION,
  collection: WireKind.COLLECTION,
  verification: WireKind.VERIFICATION,
  drain: WireKind.DRAIN,
};

const STATES: Readonly<Record<OperationState, WireState>> = {
  running: WireState.RUNNING,
  succeeded: WireState.SUCCEEDED,
  failed: WireState.FAILED,
  cancelled: WireState.CANCELLED,
};

const SNAPSHOT_STATES: Readonly<Record<SnapshotStatus["state"], SnapshotState>> = {
  pending: SnapshotState.PENDING,
  stored: SnapshotState.STORED,
  "given up": SnapshotState.GIVEN_UP,
};

/**
 * Characters of a failure's message and of the findings that a list tells, together: a thousand operations
 * must fit into one answer.
 */
const MAX_MESSAGE = 1000;

/**
 * Returns an operation as a message.
 * @param positions those of all operations that wait in a queue
 * @param options whether it is one of many, so that of its findings only those that fit are told
 */
export function operationMessage(
  operation: Operation,
  positions: ReadonlyMap<Operation, number>,
  { isListed = false }: { isListed?: boolean } = {},
): MessageInitShape<typeof OperationSchema> {
  const { subject, caller, endedAt, maxAttempts = 1, failure } = operation;
  const position = positions.get(operation);
  return {
    id: operation.id,
    parentId: operation.parent?.id ?? "",
    kind: KINDS[operation.kind],
    state: STATES[operation.state],
    phase: operation.phase,
    workspaceId: subject.workspace ?? "",
    owner: subject.owner ?? "",
    metaId: subject.metaId ?? "",
    url: subject.url ?? "",
    ...(caller ? { caller: callerMessage(caller) } : {}),
    startTime: timestampFromMs(operation.startedAt),
    ...(endedAt === undefined ? {} : { endTime: timestampFromMs(endedAt) }),
    attempt: operation.attempt,
    maxAttempts: Number.isFinite(maxAttempts) ? maxAttempts : 0,
    ...(position === undefined ? {} : { queuePosition: position }),
    progress: progressMessage(operation),
    ...(failure ? { failure: failureMessage(failure) } : {}),
    slow: operation.isSlow,
    cancelRequested: operation.isCancelRequested,
    uncancellable: operation.state === "running" ? operation.uncancellable ?? "" : "it has ended",
    figures: Object.fromEntries(
      Object.entries(operation.figures).map(([name, figure]) => [name, BigInt(figure)]),
    ),
    findings: isListed ? fittingFindings(operation) : operation.findings.map(cutMessage),
  };
}

function callerMessage({ peer, identity = "", deadline }: NonNullable<Operation["caller"]>) {
  const until = deadline === undefined ? {} : { deadline: timestampFromMs(deadline) };
  return { peer, identity, ...until };
}

function progressMessage({ progress }: Operation): MessageInitShape<typeof ProgressSchema> {
  const reading = progress.read();
  const { files, bytes, filesTotal, bytesTotal, storedBytes, bytesPerSecond } = reading;
  return {
    filesDone: BigInt(files),
    ...(filesTotal === undefined ? {} : { filesTotal: BigInt(filesTotal) }),
    bytesDone: BigInt(bytes),
    ...(bytesTotal === undefined ? {} : { bytesTotal: BigInt(bytesTotal) }),
    storedBytes: BigInt(storedBytes),
    bytesPerSecond: BigInt(Math.round(bytesPerSecond)),
    transferredBytes: BigInt(reading.transferredBytes),
    transferredPerSecond: BigInt(Math.round(reading.transferredPerSecond)),
  };
}

/** Returns why something failed as a message. */
export function failureMessage(
  { code, reason, message }: OperationFailure,
): MessageInitShape<typeof FailureSchema> {
  return { code, reason, message: cutMessage(message) };
}

/** Returns the first findings that fit beside the failure's message. */
function fittingFindings({ findings, failure }: Operation): string[] {
  const fitting: string[] = [];
  let space = MAX_MESSAGE - (failure ? cutMessage(failure.message).length : 0);
  for (const finding of findings) {
    const cut = cutMessage(finding);
    space -= cut.length;
    if (space < 0) break;
    fitting.push(cut);
  }
  return fitting;
}

function cutMessage(message: string): string {
  const whole = message.toWellFormed();
  const cut = whole.length > MAX_MESSAGE ? `${whole.slice(0, MAX_MESSAGE - 3)}...` : whole;
  return cut.toWellFormed();
}

/** Returns an image as a message. */
export function imageMessage(image: FoundImage): MessageInitShape<typeof ImageSchema> {
  const { url, kind, owner, metaId, createdAt, files, contentBytes, manifest } = image;
  return {
    url,
    kind: kind === "backup" ? ImageKind.BACKUP : ImageKind.SNAPSHOT,
    owner,
    metaId,
    createTime: timestampFromMs(createdAt),
    files: BigInt(files),
    contentBytes: BigInt(contentBytes),
    manifest,
  };
}

/** Returns a workspace as a message. */
export function workspaceMessage(view: WorkspaceView): MessageInitShape<typeof WorkspaceSchema> {
  const { info: { id, record, state }, usedBytes, lastImage } = view;
  const { initializer = "", createdAt } = record;
  return {
    id,
    owner: record.owner,
    metaId: record.metaId,
    state: state === "NONE" ? WorkspaceState.UNSPECIFIED : WorkspaceState[state],
    initializer,
    ...(createdAt === undefined ? {} : { createTime: timestampFromMs(createdAt) }),
    quotaBytes: BigInt(record.quotaBytes),
    ...(usedBytes === undefined ? {} : { usedBytes: BigInt(usedBytes) }),
    remoteStorageDisabled: record.remoteStorageDisabled,
    ...(lastImage
      ? { lastImage: { url: lastImage.url, createTime: timestampFromMs(lastImage.createdAt) } }
      : {}),
    lastImageProblem: (view.lastImageProblem ?? "").toWellFormed(),
    operationIds: view.operations,
  };
}

/** Returns what became of a snapshot as a message. */
export function snapshotMessage(
  { url, state, isPromised, operation, image }: SnapshotStatus,
): MessageInitShape<typeof GetSnapshotResponseSchema> {
  const failure = state === "stored" ? undefined : operation?.failure;
  return {
    url,
    state: SNAPSHOT_STATES[state],
    promised: isPromised,
    attempts: operation?.attempt ?? 0,
    ...(failure ? { failure: failureMessage(failure) } : {}),
    operationId: operation?.id ?? "",
    ...(image
      ? {
        createTime: timestampFromMs(image.createdAt),
        files: BigInt(image.files),
        contentBytes: BigInt(image.contentBytes),
      }
      : {}),
  };
}
