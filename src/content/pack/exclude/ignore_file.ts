/** Reads the file of patterns in a tree's top. */

import { IgnorePatterns } from "../../../ignore_patterns.ts";
import { type Directory, isErrno, SystemError } from "../../../linux/mod.ts";
import { messageOf } from "../../../errors.ts";
import { openRegularFile } from "../../open_regular_file.ts";

/** The name of the file of patterns. */
export const IGNORE_FILE: Uint8Array = new TextEncoder().encode(".wsdaemonignore");
/** The largest file of patterns, in bytes. */
const MAX_BYTES = 64 << 10;

/** Patterns, or why they cannot be gone by; neither where there is no such file. */
export interface IgnoreFile {
  readonly patterns?: Uint8Array;
  /** In words that follow "because". */
  readonly problem?: string;
}

/**
 * Reads the patterns of a tree. Where they cannot be gone by, everything is packed: a mistake in them must
 * not cost anybody's work.
 */
export function readIgnoreFile(top: Directory): IgnoreFile {
  try {
    using file = openRegularFile(top, IGNORE_FILE);
    if (!file) return { problem: "it is no regular file" };
    const bytes = new Uint8Array(MAX_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = file.readAt(bytes.subarray(length), length);
    }
    if (length > MAX_BYTES) return { problem: `it has more than ${MAX_BYTES} bytes` };
    const patterns = bytes.slice(0, length);
    if (IgnorePatterns.parse(patterns).matchesEverything) {
      return { problem: "its patterns would leave nothing of the workspace" };
    }
    return { patterns };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return {};
    if (isErrno(error, "ELOOP")) return { problem: "it is no regular file" };
    if (error instanceof SystemError || error instanceof RangeError) {
      return { problem: messageOf(error) };
    }
    throw error;
  }
}
