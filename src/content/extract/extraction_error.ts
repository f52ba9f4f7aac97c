/** Maps failures while an archive is extracted. */

import { ArchiveError, showName, type TarEntry } from "../../archive/mod.ts";
import { DaemonError } from "../../errors.ts";
import { SystemError } from "../../linux/mod.ts";
import { contentError } from "../content_errors.ts";

/** Errors that a wrong archive causes, rather than this machine. */
const ARCHIVE_FAULTS = [
  "E2BIG",
  "EEXIST",
  "EINVAL",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "ENOTEMPTY",
  "ERANGE",
  "EXDEV",
] as const;

/** Returns the {@link extractionError} of an entry, whose name and offset the message has. */
export function entryError(error: unknown, entry: TarEntry): unknown {
  const mapped = extractionError(error);
  if (!(mapped instanceof DaemonError) || mapped.code === "ABORTED") return mapped;
  // The reader's errors name the entry themselves.
  if (error instanceof ArchiveError) return mapped;
  return mapped.withContext(`entry ${showName(entry.path)} at offset ${entry.offset}`);
}

/**
 * Returns the failure of an extraction as a DaemonError: FAILED_PRECONDITION if the archive is wrong,
 * RESOURCE_EXHAUSTED if it exceeds a limit; what is wrong with this machine as `contentError` does.
 */
export function extractionError(error: unknown): unknown {
  if (error instanceof ArchiveError) {
    const code = error.problem === "limit" ? "RESOURCE_EXHAUSTED" : "FAILED_PRECONDITION";
    return new DaemonError(code, error.message, { cause: error, reason: "ARCHIVE_INVALID" });
  }
  if (error instanceof SystemError && ARCHIVE_FAULTS.some((errno) => errno === error.errno)) {
    return new DaemonError("FAILED_PRECONDITION", error.message, {
      cause: error,
      reason: "ARCHIVE_INVALID",
    });
  }
  return contentError(error);
}
