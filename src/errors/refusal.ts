/** Explains why the kernel does not permit a call, by the entry that it is made on. */

/** What is known of an entry, or of the folder that it is in. */
export interface GuardedEntry {
  /** Absolute path. */
  path: string;
  uid: number;
  /** Whether nobody, not even root, can change, rename or delete it. */
  isImmutable: boolean;
  /** Whether nobody can delete it, or what it holds. */
  isAppendOnly: boolean;
}

/** A call that the kernel refused with EPERM or EACCES. */
export interface RefusedCall {
  errno: string;
  syscall: string;
  /** Effective user of this process. */
  uid: number;
  /** Absent where it cannot be looked at. */
  entry?: GuardedEntry | undefined;
  folder?: GuardedEntry | undefined;
  /** Whether the entry was to be deleted or moved, for which the rights on its folder count. */
  deletes?: boolean;
}

/** Why something is refused, and what an operator can do about it. */
export interface Refusal {
  cause: string;
  remedy: string;
}

/** Calls that need a capability whatever they are made on. */
const CAPABILITIES: readonly [syscall: RegExp, cause: string, capability: string][] = [
  [/^mknod/, "this process may not make devices", "CAP_MKNOD"],
  [/^f?chown/, "this process may not give files to others", "CAP_CHOWN"],
  [/xattr/, "this process may not set such attributes", "CAP_SYS_ADMIN"],
];

/** Returns what stands in the way of a call that the kernel refused. */
export function refusalOf(call: RefusedCall): Refusal {
  return attributeOf(call) ?? capabilityOf(call) ?? ownerOf(call) ?? {
    cause: `the kernel does not permit it (${call.errno})`,
    remedy: "see whether it is a swap file (swapoff), or kept by a security policy",
  };
}

function attributeOf({ entry, folder }: RefusedCall): Refusal | undefined {
  for (const [what, found] of [["it", entry], ["its folder", folder]] as const) {
    if (!found?.isImmutable && !found?.isAppendOnly) continue;
    const [attribute, flag] = found.isImmutable ? ["immutable", "-i"] : ["append-only", "-a"];
    return {
      cause: `${what} has the attribute ${attribute}`,
      remedy: `take that away (chattr ${flag} ${found.path})`,
    };
  }
  return undefined;
}

function capabilityOf({ errno, syscall }: RefusedCall): Refusal | undefined {
  const found = CAPABILITIES.find(([name]) => errno === "EPERM" && name.test(syscall));
  if (!found) return undefined;
  const [, cause, capability] = found;
  return { cause, remedy: `give the service the capability ${capability}` };
}

function ownerOf({ uid, entry, folder, deletes = false }: RefusedCall): Refusal | undefined {
  if (uid === 0) return undefined;
  const guards = [["it", entry], ["its folder", folder]] as const;
  for (const [what, found] of deletes ? guards.toReversed() : guards) {
    if (!found || found.uid === uid) continue;
    return {
      cause: `${what} belongs to uid ${found.uid}, and wsdaemon runs as uid ${uid}`,
      remedy: deletes
        ? `give it away (chown -R ${uid} ${found.path})`
        : `give that user access to it (chown -R ${uid} ${found.path}), or move it away`,
    };
  }
  return undefined;
}
