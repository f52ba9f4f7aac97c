/**
 * What an S3 server, or the way to it, says when it fails: which of it passes, and what the rest
 * means in the terms that a store promises.
 */

import { asDaemonError, DaemonError, type ErrorCode, messageOf } from "../../errors.ts";

/** Kinds of failure; also the `kind` of the error metric. */
export type FailureKind =
  | "aborted"
  | "changed"
  | "corrupt"
  | "full"
  | "local"
  | "missing"
  | "network"
  | "refused"
  | "server"
  | "throttled"
  | "timeout"
  | "unsupported"
  | "upload_gone";

/** A connection on which nothing moved for too long. */
export class StallError extends Error {
  override readonly name = "StallError";
}

/** Content that is not what was stored; asking again may help, and if not, it is lost. */
export class CorruptAnswerError extends Error {
  override readonly name = "CorruptAnswerError";
}

/** A server that says it did something and has nothing to show for it, or says so without a sign. */
export class HollowAnswerError extends Error {
  override readonly name = "HollowAnswerError";
}

export interface Failure {
  kind: FailureKind;
  /** Whether the same request may succeed if sent again. */
  passes: boolean;
  /** How long the server asked us to wait; milliseconds. */
  retryAfterMs?: number;
}

const PASSING: readonly FailureKind[] = ["corrupt", "network", "server", "throttled", "timeout"];

const KIND_BY_CODE: Record<string, FailureKind> = {
  NoSuchKey: "missing",
  NotFound: "missing",
  NoSuchUpload: "upload_gone",
  InvalidPart: "upload_gone",
  InvalidPartOrder: "upload_gone",
  NoSuchBucket: "refused",
  NotImplemented: "unsupported",
  MethodNotAllowed: "unsupported",
  PreconditionFailed: "changed",
  ConditionalRequestConflict: "server",
  OperationAborted: "server",
  BadDigest: "corrupt",
  XAmzContentSHA256Mismatch: "corrupt",
  XAmzContentChecksumMismatch: "corrupt",
  IncompleteBody: "network",
  RequestTimeout: "timeout",
  RequestTimeTooSkewed: "server",
  ExpiredToken: "server",
  TokenRefreshRequired: "server",
  InternalError: "server",
  ServiceUnavailable: "server",
  SlowDown: "throttled",
  SlowDownRead: "throttled",
  SlowDownWrite: "throttled",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  TooManyRequests: "throttled",
  TooManyRequestsException: "throttled",
  RequestLimitExceeded: "throttled",
  QuotaExceeded: "full",
  XMinioAdminBucketQuotaExceeded: "full",
  XMinioStorageFull: "full",
  InsufficientStorage: "full",
  BucketQuotaExceeded: "full",
};

const STATUS: Record<number, FailureKind> = {
  404: "missing",
  405: "unsupported",
  408: "timeout",
  409: "server",
  412: "changed",
  413: "full",
  429: "throttled",
  501: "unsupported",
  503: "throttled",
  507: "full",
};

interface ServiceError {
  name: string;
  status: number;
  retryAfter?: string;
}

/** The parts of the SDK's errors that we use; `undefined` for anything that is no server's answer. */
function serviceError(error: unknown): ServiceError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (status === undefined) return undefined;
  const retryAfter = $response?.headers?.["retry-after"];
  return { name: error.name, status, ...(retryAfter ? { retryAfter } : {}) };
}

function kindOfAnswer({ name, status }: ServiceError): FailureKind {
  const byCode = KIND_BY_CODE[name];
  if (byCode) return byCode;
  // A success that the SDK could not read: an empty, cut or garbled body.
  if (status < 300) return "corrupt";
  return STATUS[status] ?? (status >= 500 ? "server" : "refused");
}

/** Classes of failure of the way to the server that no second attempt changes. */
const PERMANENT_TLS = /certificate|self.signed|UnknownIssuer|NotValidForName|invalid peer/i;

/** Judges anything that a request threw. */
export function failureOf(error: unknown, signal?: AbortSignal): Failure {
  if (signal?.aborted) return { kind: "aborted", passes: false };
  if (error instanceof DaemonError) return { kind: "local", passes: false };
  if (error instanceof StallError) return { kind: "timeout", passes: true };
  if (error instanceof CorruptAnswerError) return { kind: "corrupt", passes: true };
  // Asking again may help; if not, so does beginning anew.
  if (error instanceof HollowAnswerError) return { kind: "upload_gone", passes: true };
  const answer = serviceError(error);
  if (answer) {
    const kind = kindOfAnswer(answer);
    const seconds = Number(answer.retryAfter);
    return {
      kind,
      passes: PASSING.includes(kind),
      ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
    };
  }
  if (error instanceof Deno.errors.NotCapable) return { kind: "refused", passes: false };
  const name = error instanceof Error ? error.name : "";
  if (name === "CredentialsProviderError" || name === "ProviderError") {
    return { kind: "refused", passes: false };
  }
  if (PERMANENT_TLS.test(messageOf(error))) return { kind: "refused", passes: false };
  return { kind: "network", passes: true };
}

const CODE: Record<FailureKind, ErrorCode> = {
  aborted: "ABORTED",
  changed: "UNAVAILABLE",
  corrupt: "UNAVAILABLE",
  full: "RESOURCE_EXHAUSTED",
  local: "INTERNAL",
  missing: "NOT_FOUND",
  network: "UNAVAILABLE",
  refused: "FAILED_PRECONDITION",
  server: "UNAVAILABLE",
  throttled: "UNAVAILABLE",
  timeout: "UNAVAILABLE",
  unsupported: "FAILED_PRECONDITION",
  upload_gone: "UNAVAILABLE",
};

const ADVICE: Partial<Record<FailureKind, string>> = {
  full: "; the bucket is full: delete snapshots and run `wsdaemon store gc`, or raise its quota",
  refused: "; check storage.endpoint, region, bucket and the credentials in the config",
};

/** What a failed request was. */
export interface Attempted {
  doing: string;
  /** Where the server is. */
  endpoint: string;
  signal?: AbortSignal | undefined;
}

/** A failed request as a DaemonError that says which store it is about. */
export function s3Error(error: unknown, { doing, endpoint, signal }: Attempted): DaemonError {
  if (error instanceof DaemonError) return error;
  const { kind } = failureOf(error, signal);
  if (kind === "aborted") return asDaemonError(signal?.reason, "ABORTED", doing);
  const code = error instanceof CorruptAnswerError ? "DATA_LOSS" : CODE[kind];
  const message = `${doing}: ${describe(error, kind, endpoint)}${ADVICE[kind] ?? ""}`;
  return new DaemonError(code, message, { cause: error });
}

/** Whether the server says that an object ends before the bytes that were asked for. */
export function isBeyondEnd(error: unknown): boolean {
  return serviceError(error)?.status === 416;
}

/** One line, cut: a server's message is not ours to trust. */
function describe(error: unknown, kind: FailureKind, endpoint: string): string {
  const text = messageOf(error).replace(/[^\x20-\x7e]+/g, " ").slice(0, 300);
  const answer = serviceError(error);
  if (answer) {
    const said = text && text !== answer.name ? ` (${text})` : "";
    return `the store at ${endpoint} answered ${answer.status} ${answer.name}${said}`;
  }
  const reason = text || "the connection failed";
  if (kind === "refused") return `the store at ${endpoint} cannot be used: ${reason}`;
  const unreachable = kind === "network" || kind === "timeout";
  return unreachable ? `the store at ${endpoint} is out of reach: ${reason}` : reason;
}
