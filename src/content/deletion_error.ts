/** Says why an entry cannot be deleted, and what an operator can do about it. */

import { DaemonError, type ErrorCode } from "../errors.ts";
import { type Directory, effectiveUser, type Name, type Stat, SystemError } from "../linux/mod.ts";
import { codeOf } from "./content_errors.ts";

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
  return new DaemonError(code, `cannot delete ${path}: ${cause}; ${remedy}`, { cause: error });
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
    case "EROFS":
      return {
        cause: "its file system is read-only",
        remedy: "find out why (dmesg), and mount it writable again",
      };
    case "EIO":
    case "EUCLEAN":
      return {
        cause: `its file system is damaged (${error.errno})`,
        remedy: "check it and its disk (dmesg, fsck)",
        code: "FAILED_PRECONDITION",
      };
    case "EPERM":
    case "EACCES":
      return diagnoseRefusal(dir, name, error);
    default:
      return { cause: error.message, remedy: "see to that first" };
  }
}

/** Finds what makes the kernel refuse: attributes or owner of the entry or of its folder. */
function diagnoseRefusal(dir: Directory, name: Name, error: SystemError): Diagnosis {
  const entry = { what: "it", path: dir.locationOf(name), stat: statOf(() => dir.statEntry(name)) };
  const folder = { what: "its folder", path: dir.location, stat: statOf(() => dir.stat()) };
  const { uid } = effectiveUser();
  for (const { what, path, stat } of [entry, folder]) {
    if (stat?.isImmutable || stat?.isAppendOnly) {
      const [attribute, flag] = stat.isImmutable ? ["immutable", "-i"] : ["append-only", "-a"];
      return {
        cause: `${what} has the attribute ${attribute}`,
        remedy: `take that away (chattr ${flag} ${path})`,
      };
    }
  }
  for (const { what, path, stat } of [folder, entry]) {
    if (uid !== 0 && stat && stat.uid !== uid) {
      return {
        cause: `${what} belongs to uid ${stat.uid}, and wsdaemon runs as uid ${uid}`,
        remedy: `give it away (chown -R ${uid} ${path})`,
      };
    }
  }
  return {
    cause: `the kernel does not permit it (${error.errno})`,
    remedy: "see whether it is a swap file (swapoff), or kept by a security policy",
  };
}

function statOf(read: () => Stat): Stat | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
