/** Turns a failed request into the DaemonError that the store's contract promises, with advice. */

import {
  asDaemonError,
  DaemonError,
  type ErrorCode,
  messageOf,
  type Reason,
} from "../../errors.ts";
import {
  AlteredUploadError,
  CorruptAnswerError,
  type FailureKind,
  failureOf,
  ForeignAnswerError,
  MissingResultError,
  RenewedAccessError,
  serviceError,
  UnorderedListingError,
} from "./s3_errors.ts";

/** The code of each kind of failure. */
const CODE: Record<FailureKind, ErrorCode> = {
  aborted: "ABORTED",
  changed: "UNAVAILABLE",
  corrupt: "UNAVAILABLE",
  foreign: "UNAVAILABLE",
  full: "RESOURCE_EXHAUSTED",
  local: "INTERNAL",
  missing: "UNAVAILABLE",
  network: "UNAVAILABLE",
  refused: "FAILED_PRECONDITION",
  renewed: "UNAVAILABLE",
  server: "UNAVAILABLE",
  throttled: "UNAVAILABLE",
  timeout: "UNAVAILABLE",
  unsupported: "FAILED_PRECONDITION",
  upload_gone: "UNAVAILABLE",
};

const REASON: Partial<Record<ErrorCode, Reason>> = {
  FAILED_PRECONDITION: "STORE_REFUSED",
  RESOURCE_EXHAUSTED: "STORE_FULL",
  UNAVAILABLE: "STORE_UNAVAILABLE",
};

const UNREACHABLE = "check that this node reaches storage.endpoint";
const TROUBLED = "the store has trouble of its own: try again later";

/** What an operator can do, by kind of failure. */
const ADVICE: Partial<Record<FailureKind, string>> = {
  corrupt: "something damages what comes and goes: check the store and the way to it",
  foreign: "it was not the store that answered: look for a captive portal, a proxy or a gateway " +
    "between this node and it, and check storage.endpoint",
  full:
    "the bucket or its disk is full, or refuses bodies of this size: delete snapshots and run " +
    "`wsdaemon store gc`, or raise its quota or the gateway's limit",
  missing: "the store lost it, or answers from an old state: try again",
  network: UNREACHABLE,
  refused: "check storage.endpoint, region, bucket and the credentials in the config",
  server: TROUBLED,
  throttled: TROUBLED,
  timeout: UNREACHABLE,
  unsupported: "this server lacks what the daemon needs: see its S3 compatibility",
  upload_gone: TROUBLED,
};

const UNKNOWN_KEYS =
  "the store does not take these credentials, though they were read again from " +
  "their source: check the keys that the config names";

/** What an operator can do, by the server's error code; takes precedence over {@link ADVICE}. */
const ADVICE_BY_CODE: Record<string, string> = {
  AccessDenied: "allow these credentials to list, read, write and delete in storage.bucket",
  AuthorizationHeaderMalformed: "check storage.region",
  ExpiredToken: "the credentials have expired, and their source still gives the same: renew them",
  InvalidAccessKeyId: UNKNOWN_KEYS,
  InvalidClientTokenId: UNKNOWN_KEYS,
  InvalidToken: UNKNOWN_KEYS,
  NoSuchBucket: "create the bucket, or correct storage.bucket",
  PermanentRedirect: "check storage.region and storage.endpoint",
  RequestTimeTooSkewed: "the clocks of this node and of the store differ: set them right",
  SignatureDoesNotMatch: UNKNOWN_KEYS,
};

/** The operation that failed. */
export interface Attempted {
  /** Begins the message, such as `Cannot read refs/x`. */
  doing: string;
  /** The server's URL. */
  endpoint: string;
  signal?: AbortSignal | undefined;
  /** The code for a missing object; UNAVAILABLE unless the operation asked whether there is one. */
  missing?: ErrorCode | undefined;
}

/** Returns the DaemonError for a failed operation; it names the store and says what to do. */
export function s3Error(
  error: unknown,
  { doing, endpoint, signal, missing = CODE.missing }: Attempted,
): DaemonError {
  if (error instanceof DaemonError) return error;
  const { kind } = failureOf(error, signal);
  if (kind === "aborted") return asDaemonError(signal?.reason, "ABORTED", doing);
  const isLoss = error instanceof CorruptAnswerError;
  const code = isLoss ? "DATA_LOSS" : kind === "missing" ? missing : CODE[kind];
  const advice = adviceFor(error, kind, code);
  const message = `${doing}: ${describe(error, kind, endpoint)}${advice ? `; ${advice}` : ""}`;
  return new DaemonError(code, message, { cause: error, reason: REASON[code] });
}

function adviceFor(error: unknown, kind: FailureKind, code: ErrorCode): string | undefined {
  if (code === "NOT_FOUND") return undefined;
  return ADVICE_BY_CODE[serviceError(error)?.name ?? ""] ?? ADVICE[kind];
}

/** Errors whose messages this module's own code wrote, so that they hold no foreign text. */
const OURS = [
  AlteredUploadError,
  CorruptAnswerError,
  MissingResultError,
  UnorderedListingError,
];

function describe(error: unknown, kind: FailureKind, endpoint: string): string {
  if (error instanceof RenewedAccessError) return describe(error.cause, kind, endpoint);
  if (error instanceof ForeignAnswerError) return `at ${endpoint}, ${error.message}`;
  if (OURS.some((kind) => error instanceof kind)) {
    return `${messageOf(error)} (the store at ${endpoint})`;
  }
  const text = oneLine(messageOf(error), 300);
  const answer = serviceError(error);
  if (answer) {
    const { name, status, operation = "the request" } = answer;
    const what = `the store at ${endpoint} answered ${operation} with ${status}`;
    // The SDK's message about what it could not parse would not help an operator.
    if (status < 300) return `${what} and a body that cannot be read`;
    return `${what} ${name}${text && text !== name ? ` (${text})` : ""}`;
  }
  const reason = text || "the connection failed";
  if (kind === "refused") return `the store at ${endpoint} cannot be used: ${reason}`;
  return `the store at ${endpoint} is out of reach: ${reason}`;
}

/** Matches long words with digits: keys, tokens and signatures look like that. */
const SECRET = /(?=[A-Za-z0-9+/=_%-]*\d)[A-Za-z0-9+/=_%-]{20,}/g;

/** Returns foreign text as one line of at most `maxLength` characters, without what may be a secret. */
export function oneLine(text: string, maxLength: number): string {
  const line = text.replace(/[^\x20-\x7e]+/g, " ").replace(SECRET, "[...]").replace(/\s+/g, " ")
    .trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}...` : line;
}
