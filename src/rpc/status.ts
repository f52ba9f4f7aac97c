/** The one place where an error becomes a gRPC status. */

import { status as codes } from "@grpc/grpc-js";
import { asDaemonError, DaemonError, type ErrorCode } from "../errors.ts";
import { logger } from "../log/mod.ts";

export interface CallStatus {
  code: codes;
  details: string;
}

const log = logger("rpc");

/** Clients refuse trailers of more than some 8 KiB altogether; this leaves space for the others. */
const MAX_ENCODED_DETAILS = 6000;

/**
 * Returns the status that answers `error`. What is not a DaemonError, or is one with INTERNAL, is a bug:
 * the caller gets an id, and the log what belongs to it, since the message may say anything.
 */
export function statusOf(error: unknown, method: string): CallStatus {
  const expected = expectedError(error);
  if (expected && expected.code !== "INTERNAL") {
    return { code: codes[expected.code], details: fit(expected.message) };
  }
  const id = crypto.randomUUID();
  log.error("internal error {id} in {method}: {error}", { id, method, error });
  return {
    code: codes.INTERNAL,
    details: `internal error ${id}: this is a bug; the daemon's log says more under this id`,
  };
}

/** Returns the error with its code, or undefined for one that nothing foresaw. */
function expectedError(error: unknown): { code: ErrorCode; message: string } | undefined {
  if (error instanceof DaemonError) return error;
  if (!(error instanceof DOMException)) return asDaemonError(error, "INTERNAL");
  if (error.name === "TimeoutError") return { code: "DEADLINE_EXCEEDED", message: error.message };
  if (error.name === "AbortError") return { code: "CANCELLED", message: error.message };
  return undefined;
}

/** Returns the message, well-formed and cut to what fits once it is percent-encoded. */
function fit(message: string): string {
  const whole = message.toWellFormed();
  if (encodeURI(whole).length <= MAX_ENCODED_DETAILS) return whole;
  const kept: string[] = [];
  let space = MAX_ENCODED_DETAILS;
  for (const character of whole) {
    space -= encodeURI(character).length;
    if (space < 0) break;
    kept.push(character);
  }
  return `${kept.join("")}...`;
}
