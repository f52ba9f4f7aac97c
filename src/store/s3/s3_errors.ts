/**
 * Classifies the failures of requests to an S3 server by kind, and tells which are retryable. `messages.ts`
 * turns them into the errors that a store's contract promises.
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

/** No byte moved on a connection for too long. */
export class StallError extends Error {
  override readonly name = "StallError";
}

/** The content of an answer is not what was stored. A retry may help; if it does not, data is lost. */
export class CorruptAnswerError extends Error {
  override readonly name = "CorruptAnswerError";
  /** The ETag that came with the content, where one did. */
  readonly etag: string | undefined;

  constructor(message: string, options: ErrorOptions & { etag?: string | undefined } = {}) {
    super(message, options);
    this.etag = options.etag;
  }
}

/** A server reported success, and the result is missing or the answer does not name it. */
export class MissingResultError extends Error {
  override readonly name = "MissingResultError";
}

/** A server's listings of several pages may leave keys out. */
export class UnorderedListingError extends Error {
  override readonly name = "UnorderedListingError";

  constructor() {
    super(
      "it does not list keys in ascending order, and goes on after the last key of a page, so that a " +
        "listing of more than one page may leave keys out",
    );
  }
}

/** A server stored other bytes than were sent. */
export class AlteredUploadError extends Error {
  override readonly name = "AlteredUploadError";
}

/** No S3 server answers such a request so: something between this node and the store answered. */
export class ForeignAnswerError extends Error {
  override readonly name = "ForeignAnswerError";
  /** HTTP status. */
  readonly status: number;
  readonly retryAfter: string | undefined;

  /** @param message names the request and the answer, without secrets */
  constructor(message: string, answer: { status: number; retryAfter?: string | undefined }) {
    super(message);
    this.status = answer.status;
    this.retryAfter = answer.retryAfter;
  }
}

/** A request was refused for credentials or a time that have been replaced since it was signed. */
export class RenewedAccessError extends Error {
  override readonly name = "RenewedAccessError";
}

/** A failure of a request, classified. */
export interface Failure {
  kind: FailureKind;
  /** Whether the same request may succeed if sent again. */
  retryable: boolean;
  /** How long the server asked the client to wait. Milliseconds. */
  retryAfterMs?: number;
}

/** The kinds of failure that a retry may cure. */
const RETRYABLE: readonly FailureKind[] = [
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

/** Error codes of other servers than Amazon's for a full bucket, disk or quota. */
const FULL = /quotaexceeded|exceedquota|storagefull|insufficientstorage|diskfull/i;
/** Tells codes of rate limits, whose names can contain a quota, from those of {@link FULL}. */
const RATE = /throttl|request|rate/i;

/** Kinds by HTTP status, for answers of S3 servers and of gateways in front of them alike. */
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

/** Returns the kind of a foreign answer; gateways use some statuses to report failures of their own. */
function kindOfForeign({ status }: ForeignAnswerError): FailureKind {
  const spoken = status >= 500 && status !== 501 || [408, 413, 429].includes(status);
  return spoken ? STATUS[status] ?? "server" : "foreign";
}

/** Matches messages of TLS failures that no retry can cure. */
const PERMANENT_TLS = /certificate|self.signed|UnknownIssuer|NotValidForName|invalid peer/i;

function answered(kind: FailureKind, retryAfter: string | undefined): Failure {
  const seconds = Number(retryAfter);
  return {
    kind,
    retryable: RETRYABLE.includes(kind),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

/** Classifies anything that a request threw. */
export function failureOf(error: unknown, signal?: AbortSignal): Failure {
  if (signal?.aborted) return { kind: "aborted", retryable: false };
  if (error instanceof DaemonError) return { kind: "local", retryable: false };
  if (error instanceof StallError) return { kind: "timeout", retryable: true };
  if (error instanceof CorruptAnswerError) return { kind: "corrupt", retryable: true };
  if (error instanceof AlteredUploadError) return { kind: "corrupt", retryable: true };
  if (error instanceof UnorderedListingError) return { kind: "unsupported", retryable: false };
  // A retry may help; if not, beginning the upload anew does.
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

/** Returns whether the server answered that an object ends before the requested range. */
export function isBeyondEnd(error: unknown): boolean {
  return serviceError(error)?.status === 416;
}

/** Resolves to the answer of a request, or to `undefined` where the server says that there is no object. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (failureOf(error).kind === "missing") return undefined;
    throw error;
  }
}

/** Resolves to the answer of a request, or to `undefined` where the server says that there is no such bucket. */
export async function unlessNoBucket<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (serviceError(error)?.name === "NoSuchBucket") return undefined;
    throw error;
  }
}
