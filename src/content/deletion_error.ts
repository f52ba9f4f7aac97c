/** Says why an entry cannot be deleted, and what an operator can do about it. */

import {
  DaemonError,
  type ErrorCode,
  type GuardedEntry,
  machineErrorNamed,
  refusalOf,
} from "../errors.ts";
import { type Directory, effectiveUser, type Name, type Stat, SystemError } from "../linux/mod.ts";
import { codeOf } from "./content_errors.ts";

/** Errors of an obstacle that somebody made, as opposed to a fault of the node. */
const BLOCKING: ReadonlySet<string> = new Set(["EXDEV", "EBUSY", "EPERM", "EACCES"]);

/** Why an entry cannot be deleted, and what an operator can do. */
interface Diagnosis {
  /** Words that follow "cannot delete PATH: ". */
  cause: string;
  remedy: string;
  code?: ErrorCode;
}

/**
 * Returns the error for an entry that could not be deleted or moved to the trash. Its message has
 * the entry's absolute path, the cause and the remedy.
 * @param dir where the entry is
 */
export function deletionError(error: SystemError, dir: Directory, name: Name): DaemonError {
  const path = dir.locationOf(name);
  const { cause, remedy, code = codeOf(error) } = diagnose(error, dir, name);
  const reason = BLOCKING.has(error.errno)
    ? "DELETION_BLOCKED"
    : machineErrorNamed(error.errno)?.reason;
  return new DaemonError(code, `cannot delete ${path}: ${cause}; ${remedy}`, {
    cause: error,
    reason,
  });
}

function diagnose(error: SystemError, dir: Directory, name: Name): Diagnosis {
  switch (error.errno) {
    case "EXDEV":
    case "EBUSY":
      return {
        cause: "something is mounted there",
        remedy: `unmount it first (umount ${dir.locationOf(name)})`,
        code: "FAILED_PRECONDITION",
      };
    case "EPERM":
    case "EACCES":
      return diagnoseRefusal(dir, name, error);
    default: {
      const meaning = machineErrorNamed(error.errno);
      return {
        cause: meaning?.code ? `${meaning.words} (${error.errno})` : error.message,
        remedy: meaning?.remedy?.({ path: dir.locationOf(name) }) ?? "see to that first",
      };
    }
  }
}

/** Finds what makes the kernel refuse: attributes or owner of the entry or of its folder. */
function diagnoseRefusal(dir: Directory, name: Name, { errno, syscall }: SystemError): Diagnosis {
  return refusalOf({
    errno,
    syscall,
    uid: effectiveUser().uid,
    entry: guardOf(dir.locationOf(name), () => dir.statEntry(name)),
    folder: guardOf(dir.location, () => dir.stat()),
    deletes: true,
  });
}

function guardOf(path: string, read: () => Stat): GuardedEntry | undefined {
  try {
    const { uid, isImmutable, isAppendOnly } = read();
    return { path, uid, isImmutable, isAppendOnly };
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
