/**
 * What an S3 server, or the way to it, says when it fails, by kind, and which of it passes. What that
 * means in the terms that a store promises is in `messages.ts`.
 */

import { DaemonError, messageOf } from "../../errors.ts";

/** Kinds of failure; also the `kind` of the error metric. */
export type FailureKind =
  | "aborted"
  | "changed"
  | "corrupt"
  | "foreign"
  | "full"
  | "local"
  | "missing"
  | "network"
  | "refused"
  | "renewed"
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
  /** The ETag that came with the content, where one did. */
  readonly etag: string | undefined;

  constructor(message: string, options: ErrorOptions & { etag?: string | undefined } = {}) {
    super(message, options);
    this.etag = options.etag;
  }
}

/** A server that says it did something and has nothing to show for it, or says so without a sign. */
export class MissingResultError extends Error {
  override readonly name = "HollowAnswerError";
}

/** An upload that arrived as other bytes than were sent. */
export class AlteredUploadError extends Error {
  override readonly name = "AlteredUploadError";
}

/** An answer that no S3 server gives to such a request: somebody on the way to it answered. */
export class ForeignAnswerError extends Error {
  override readonly name = "ForeignAnswerError";
  /** HTTP status. */
  readonly status: number;
  readonly retryAfter: string | undefined;

  /** @param message What was asked and what came back, in words that are safe to show. */
  constructor(message: string, answer: { status: number; retryAfter?: string | undefined }) {
    super(message);
    this.status = answer.status;
    this.retryAfter = answer.retryAfter;
  }
}

/** A refusal of credentials or of a clock that have been replaced since the request was signed. */
export class RenewedAccessError extends Error {
  override readonly name = "RenewedAccessError";
}

export interface Failure {
  kind: FailureKind;
  /** Whether the same request may succeed if sent again. */
  retryable: boolean;
  /** How long the server asked us to wait; milliseconds. */
  retryAfterMs?: number;
}

const PASSING: readonly FailureKind[] = [
  "corrupt",
  "foreign",
  "network",
  "server",
  "throttled",
  "timeout",
];

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
  TemporaryRedirect: "server",
  EntityTooLarge: "full",
};

/** How servers name it that a bucket, a user or a disk has no room; none of it is Amazon's. */
const FULL = /quotaexceeded|exceedquota|storagefull|insufficientstorage|diskfull/i;
/** Codes of limits on the rate of requests can have a quota in their names, too. */
const RATE = /throttl|request|rate/i;

/** What a status means whoever sent it: load balancers and gateways in front of S3 use these, too. */
const STATUS: Record<number, FailureKind> = {
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

/** An answer of a server as the SDK understood it. */
export interface ServiceError {
  /** The error code of the answer. */
  name: string;
  /** HTTP status. */
  status: number;
  /** The kind of request, such as `PutObject`. */
  operation?: string;
  retryAfter?: string;
}

/** Returns what a server answered; `undefined` for an error that is no answer. */
export function serviceError(error: unknown): ServiceError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { $metadata, $response, operation } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
    operation?: string;
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (status === undefined) return undefined;
  const retryAfter = $response?.headers?.["retry-after"];
  return {
    name: error.name,
    status,
    ...(operation ? { operation } : {}),
    ...(retryAfter ? { retryAfter } : {}),
  };
}

function kindOfAnswer({ name, status }: ServiceError): FailureKind {
  const byCode = KIND_BY_CODE[name];
  if (byCode) return byCode;
  if (FULL.test(name)) return status === 429 || RATE.test(name) ? "throttled" : "full";
  // A success that the SDK could not read: a garbled body.
  if (status < 300) return "corrupt";
  return STATUS[status] ?? (status >= 500 ? "server" : "refused");
}

/** A status with which gateways and load balancers speak for themselves says what is wrong with them. */
function kindOfForeign({ status }: ForeignAnswerError): FailureKind {
  const spoken = status >= 500 && status !== 501 || [408, 413, 429].includes(status);
  return spoken ? STATUS[status] ?? "server" : "foreign";
}

/** Classes of failure of the way to the server that no second attempt changes. */
const PERMANENT_TLS = /certificate|self.signed|UnknownIssuer|NotValidForName|invalid peer/i;

function answered(kind: FailureKind, retryAfter: string | undefined): Failure {
  const seconds = Number(retryAfter);
  return {
    kind,
    retryable: PASSING.includes(kind),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

/** Judges anything that a request threw. */
export function failureOf(error: unknown, signal?: AbortSignal): Failure {
  if (signal?.aborted) return { kind: "aborted", retryable: false };
  if (error instanceof DaemonError) return { kind: "local", retryable: false };
  if (error instanceof StallError) return { kind: "timeout", retryable: true };
  if (error instanceof CorruptAnswerError) return { kind: "corrupt", retryable: true };
  if (error instanceof AlteredUploadError) return { kind: "corrupt", retryable: true };
  // Asking again may help; if not, so does beginning anew.
  if (error instanceof MissingResultError) return { kind: "upload_gone", retryable: true };
  if (error instanceof RenewedAccessError) return { kind: "renewed", retryable: true };
  if (error instanceof ForeignAnswerError) return answered(kindOfForeign(error), error.retryAfter);
  const answer = serviceError(error);
  if (answer) return answered(kindOfAnswer(answer), answer.retryAfter);
  if (error instanceof Deno.errors.NotCapable) return { kind: "refused", retryable: false };
  const name = error instanceof Error ? error.name : "";
  if (name === "CredentialsProviderError" || name === "ProviderError") {
    return { kind: "refused", retryable: false };
  }
  if (PERMANENT_TLS.test(messageOf(error))) return { kind: "refused", retryable: false };
  return { kind: "network", retryable: true };
}

/** Whether the server says that an object ends before the bytes that were asked for. */
export function isBeyondEnd(error: unknown): boolean {
  return serviceError(error)?.status === 416;
}

/** Resolves to what a request answers, or to `undefined` where the server says that it is not there. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (failureOf(error).kind === "missing") return undefined;
    throw error;
  }
}
