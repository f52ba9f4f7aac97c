/**
 * Landlock: rights to files and ports that a thread gives up for good, and with it every thread and
 * process that it starts afterwards.
 *
 * Numbers and layouts are those of `linux/landlock.h`. What a ruleset handles is refused except where a
 * rule allows it; a rule holds for a directory and everything beneath it, mounts included. Landlock knows
 * no rights to metadata: `stat`, `chmod`, `chown`, `utimensat` and attributes stay as they were. Files
 * that are open already stay usable.
 */

import { AT, O, SYSCALL } from "../constants.ts";
import { Descriptor } from "../descriptor.ts";
import { isErrno, lastErrno, SystemError, throwIfConfirmed } from "../errno.ts";
import { system } from "../libc.ts";
import { first } from "../path_names.ts";

/** `LANDLOCK_ACCESS_FS_…`, each with the ABI that brought it. */
const RIGHTS = {
  execute: { bit: 0, abi: 1, ofFiles: true },
  writeFile: { bit: 1, abi: 1, ofFiles: true },
  readFile: { bit: 2, abi: 1, ofFiles: true },
  readDirectory: { bit: 3, abi: 1, ofFiles: false },
  removeDirectory: { bit: 4, abi: 1, ofFiles: false },
  removeFile: { bit: 5, abi: 1, ofFiles: false },
  makeCharacterDevice: { bit: 6, abi: 1, ofFiles: false },
  makeDirectory: { bit: 7, abi: 1, ofFiles: false },
  makeFile: { bit: 8, abi: 1, ofFiles: false },
  makeSocket: { bit: 9, abi: 1, ofFiles: false },
  makeFifo: { bit: 10, abi: 1, ofFiles: false },
  makeBlockDevice: { bit: 11, abi: 1, ofFiles: false },
  makeSymlink: { bit: 12, abi: 1, ofFiles: false },
  /** Linking and renaming from one directory into another. */
  refer: { bit: 13, abi: 2, ofFiles: false },
  truncate: { bit: 14, abi: 3, ofFiles: true },
  /** `ioctl` on devices; that on files and directories is never refused. */
  ioctlDevice: { bit: 15, abi: 5, ofFiles: true },
} as const;

/** A right to a directory and everything beneath it, or to one file. */
export type PathRight = keyof typeof RIGHTS;

/** Rights to read what is there. */
export const READ_RIGHTS: readonly PathRight[] = ["readFile", "readDirectory"];

/** Rights to read and change everything beneath a directory; neither programs nor devices are used. */
export const CHANGE_RIGHTS: readonly PathRight[] = [
  ...READ_RIGHTS,
  "writeFile",
  "truncate",
  "makeFile",
  "makeDirectory",
  "makeSymlink",
  "makeFifo",
  "makeSocket",
  "makeCharacterDevice",
  "makeBlockDevice",
  "removeFile",
  "removeDirectory",
  "refer",
];

/** What a thread keeps of its rights to a path. */
export interface PathRule {
  /**
   * Absolute; links in it are followed. What is not there when the rule is made gets no rule, nor does
   * what no right of these is for, as those to a directory's entries are for no file.
   */
  readonly path: string;
  readonly rights: readonly PathRight[];
}

/** What a thread keeps. */
export interface LandlockRules {
  readonly paths: readonly PathRule[];
  /**
   * Whether it gives up TCP (from Linux 6.7 on), and abstract unix sockets of and signals to processes
   * that are not bound as it is (6.12).
   */
  readonly isolated: boolean;
}

/** The ABIs that brought TCP, and abstract unix sockets and signals. */
const ABI = { first: 2, tcp: 4, scopes: 6, newest: 7 } as const;
const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;
/** `LANDLOCK_ACCESS_NET_BIND_TCP` and `…_CONNECT_TCP`. */
const ALL_TCP = 0b11n;
/** `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `…_SIGNAL`. */
const ALL_SCOPES = 0b11n;

/**
 * Returns the Landlock ABI that rulesets are made for: the kernel's, up to the newest one known here;
 * 0 where the kernel has none that can be used. ABI 1 (before Linux 5.19) cannot: it refuses every
 * rename from one directory into another.
 */
export function landlockAbi(): number {
  const abi = system().landlock_create_ruleset(
    SYSCALL.landlock_create_ruleset,
    null,
    0n,
    CREATE_RULESET_VERSION,
  );
  return abi < ABI.first ? 0 : Math.min(abi, ABI.newest);
}

/**
 * Gives up all rights to files and ports except those of `rules`, for the calling thread and what it
 * starts from now on. The thread must have given up new privileges.
 * @param abi that of {@link landlockAbi}, or an older one
 * @throws {SystemError} E2BIG where 16 rulesets bind the thread already
 */
export function restrictByLandlock(abi: number, { paths, isolated }: LandlockRules): void {
  using ruleset = createRuleset(abi, isolated);
  for (const rule of paths) addRule(abi, ruleset, rule);
  const sys = system();
  if (sys.landlock_restrict_self(SYSCALL.landlock_restrict_self, ruleset.fd, 0) < 0) {
    throw new SystemError(lastErrno(), "landlock_restrict_self", "this thread");
  }
}

function createRuleset(abi: number, isolated: boolean): Descriptor {
  // `struct landlock_ruleset_attr`: files, network, scopes; older kernels know a shorter one.
  const words = new BigUint64Array(16);
  words[0] = maskOf(Object.keys(RIGHTS) as PathRight[], abi);
  words[1] = abi >= ABI.tcp && isolated ? ALL_TCP : 0n;
  words[2] = abi >= ABI.scopes && isolated ? ALL_SCOPES : 0n;
  const size = abi >= ABI.scopes ? 24n : abi >= ABI.tcp ? 16n : 8n;
  const fd = system().landlock_create_ruleset(
    SYSCALL.landlock_create_ruleset,
    new Uint8Array(words.buffer),
    size,
    0,
  );
  if (fd < 0) throw new SystemError(lastErrno(), "landlock_create_ruleset", "this thread");
  return new Descriptor(fd, undefined, "ruleset");
}

function addRule(abi: number, ruleset: Descriptor, { path, rights }: PathRule): void {
  using target = openPath(path);
  if (!target) return;
  const { isDirectory } = target.stat();
  const applicable = rights.filter((right) => isDirectory || RIGHTS[right].ofFiles);
  const mask = maskOf(applicable, abi);
  // A rule without rights is none to the kernel (ENOMSG).
  if (mask === 0n) return;
  // `struct landlock_path_beneath_attr`, packed: u64 rights, i32 descriptor.
  const rule = new DataView(new ArrayBuffer(128));
  rule.setBigUint64(0, mask, true);
  rule.setInt32(8, target.fd, true);
  const added = system().landlock_add_rule(
    SYSCALL.landlock_add_rule,
    ruleset.fd,
    RULE_PATH_BENEATH,
    new Uint8Array(rule.buffer),
    0,
  );
  if (added < 0) throw new SystemError(lastErrno(), "landlock_add_rule", path);
}

/** Opens what a rule is about; `undefined` where there is nothing. @throws {SystemError} */
function openPath(path: string): Descriptor | undefined {
  const at = { path, location: path, pathOf: () => path, locationOf: () => path };
  for (;;) {
    const fd = system().openat(AT.FDCWD, first.set(path, "openat"), O.PATH | O.CLOEXEC, 0);
    if (fd >= 0) return new Descriptor(fd, undefined, path, true, path);
    try {
      throwIfConfirmed("openat", at);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return undefined;
      throw error;
    }
  }
}

function maskOf(rights: readonly PathRight[], abi: number): bigint {
  return rights.filter((right) => RIGHTS[right].abi <= abi)
    .reduce((mask, right) => mask | 1n << BigInt(RIGHTS[right].bit), 0n);
}
