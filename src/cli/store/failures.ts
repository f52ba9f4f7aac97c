import { contentError } from "../../content/mod.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
import { Failure } from "../failure.ts";

const CODES: Record<string, ErrorCode> = {
  EACCES: "PERMISSION_DENIED",
  EDQUOT: "RESOURCE_EXHAUSTED",
  EEXIST: "ALREADY_EXISTS",
  EFBIG: "RESOURCE_EXHAUSTED",
  EISDIR: "FAILED_PRECONDITION",
  ENOENT: "NOT_FOUND",
  ENOSPC: "RESOURCE_EXHAUSTED",
  ENOTDIR: "FAILED_PRECONDITION",
  EPERM: "PERMISSION_DENIED",
  EROFS: "FAILED_PRECONDITION",
};

/** The failure to report: system calls and Deno's own errors get the code that their errno means. */
export function localFailure(thrown: unknown): unknown {
  // Whoever read our output has enough; there is nobody to tell.
  if (thrown instanceof Deno.errors.BrokenPipe) return new Failure();
  const error = contentError(thrown);
  if (error instanceof DaemonError || !(error instanceof Error)) return error;
  const code = CODES[String((error as { code?: unknown }).code)];
  return code ? new DaemonError(code, error.message, { cause: error }) : error;
}
