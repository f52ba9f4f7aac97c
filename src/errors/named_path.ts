/** Failures of paths that a person has named: on a command line, or in a config. */

import type { ErrorCode } from "./error_code.ts";
import { DaemonError } from "./daemon_error.ts";
import { causeErrno, firstError, reasonOf, remedyOf } from "./machine_errors.ts";
import { ConfigError, StartError } from "./start_error.ts";

/** What errors of such a path mean, and what to do about them. */
const NAMED_PATH_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, remedy: string]>> = {
  EEXIST: ["ALREADY_EXISTS", "choose another name, or remove what is there"],
  EISDIR: ["FAILED_PRECONDITION", "name a file"],
  ELOOP: ["FAILED_PRECONDITION", "name what the link leads to"],
  ENAMETOOLONG: ["INVALID_ARGUMENT", "choose a shorter one"],
  ENOENT: ["NOT_FOUND", "check the path"],
  ENOTDIR: ["FAILED_PRECONDITION", "check the path"],
};

/** Returns the code and the remedy of a failure that is about a named path; nothing for others. */
export function namedPathError(error: unknown): { code?: ErrorCode; remedy?: string } {
  const [code, remedy] = NAMED_PATH_ERRORS[causeErrno(error) ?? ""] ?? [];
  return code === undefined || remedy === undefined ? {} : { code, remedy };
}

/**
 * Returns why a named path could not be used, and what to do about it, for a sentence that has begun.
 * Errors of wsdaemon's own say both already. @param path absolute
 */
export function explainPath(error: unknown, path?: string): string {
  const first = firstError(error);
  const isWhole = [ConfigError, DaemonError, StartError].some((kind) => first instanceof kind);
  const remedy = isWhole ? undefined : namedPathError(first).remedy ?? remedyOf(first, { path });
  return reasonOf(first) + (remedy === undefined ? "" : `; ${remedy}`);
}
