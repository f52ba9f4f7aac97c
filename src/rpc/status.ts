/** Turns an error into a gRPC status; no other code does. */

import { Metadata, status as codes } from "@grpc/grpc-js";
import { asDaemonError, causesOf, DaemonError, REASONS } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { DETAILS_KEY, encodeDetails, type ErrorDetails } from "../wire/mod.ts";

/** A status as grpc-js sends it. */
export interface CallStatus {
  code: codes;
  /** The message, which travels as `grpc-message`. */
  details: string;
  /** Has a `google.rpc.Status` for programs. */
  metadata: Metadata;
}

const log = logger("rpc");

/**
 * Clients refuse trailers of more than some 8 KiB altogether. This is for the message and the details
 * together, as they are encoded; the rest is left to the names and to what gRPC adds.
 */
const MAX_ENCODED = 7400;
/** The part of {@link MAX_ENCODED} that the message may take. */
const MAX_ENCODED_MESSAGE = 5000;

/**
 * Returns the status that answers `error`. An error that is no DaemonError, or is one with INTERNAL, is a
 * bug: the caller gets an id, and the log has the error under that id, since its message may hold
 * anything.
 */
export function statusOf(error: unknown, method: string): CallStatus {
  const expected = expectedError(error);
  if (expected && expected.code !== "INTERNAL") return withDetails(expected);
  const id = crypto.randomUUID();
  log.error("internal error {id} in {method}: {error}", { id, method, error });
  const message = `internal error ${id}: this is a bug; the daemon's log says more under this id`;
  return withDetails(new DaemonError("INTERNAL", message));
}

/** Returns the error with its code; `undefined` for a bug. */
function expectedError(error: unknown): DaemonError | undefined {
  if (error instanceof DaemonError) return error;
  if (!(error instanceof DOMException)) return asDaemonError(error, "INTERNAL");
  if (error.name === "TimeoutError") return new DaemonError("DEADLINE_EXCEEDED", error.message);
  if (error.name === "AbortError") return new DaemonError("CANCELLED", error.message);
  return undefined;
}

function withDetails(error: DaemonError): CallStatus {
  const code = codes[error.code];
  const details = fit(error.message);
  // Base64 makes four characters of three bytes.
  const maxBytes = Math.floor((MAX_ENCODED - encodeURI(details).length) / 4) * 3;
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, encodeDetails(code, details, detailsOf(error), maxBytes));
  return { code, details, metadata };
}

function detailsOf(error: DaemonError): ErrorDetails {
  const { reason, violations, resource } = error;
  const cause = causeOf(error);
  const { retrySeconds } = REASONS[reason];
  return {
    reason,
    violations,
    ...(cause ? { cause } : {}),
    ...(resource ? { resource } : {}),
    ...(retrySeconds === undefined ? {} : { retryAfter: retrySeconds * 1000 }),
  };
}

/** Returns the reason of the nearest cause that has another one; that of a bug is not told. */
function causeOf(error: DaemonError): string | undefined {
  for (const at of causesOf(error)) {
    if (!(at instanceof DaemonError) || at.code === "INTERNAL") continue;
    if (at.reason !== error.reason) return at.reason;
  }
  return undefined;
}

/** Returns the message, well-formed and cut to what fits once it is percent-encoded. */
function fit(message: string): string {
  const whole = message.toWellFormed();
  if (encodeURI(whole).length <= MAX_ENCODED_MESSAGE) return whole;
  const kept: string[] = [];
  let space = MAX_ENCODED_MESSAGE;
  for (const character of whole) {
    space -= encodeURI(character).length;
    if (space < 0) break;
    kept.push(character);
  }
  return `${kept.join("")}...`;
}
