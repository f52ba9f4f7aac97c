/** What the kernel can bind a thread by, and binding the calling thread. */

import { lastErrno, SystemError } from "../errno.ts";
import { system } from "../libc.ts";
import { type Capability, keepCapabilities } from "./capabilities.ts";
import { landlockAbi, type LandlockRules, restrictByLandlock } from "./landlock.ts";
import { denySystemCalls, hasSeccomp } from "./seccomp.ts";

export type { Capability } from "./capabilities.ts";
export {
  CHANGE_RIGHTS,
  type LandlockRules,
  type PathRight,
  type PathRule,
  READ_RIGHTS,
} from "./landlock.ts";

/** What the kernel can bind threads by. */
export interface ConfinementSupport {
  /** The Landlock ABI in use; 0 for none. */
  readonly landlock: number;
  /** Whether threads can give system calls up. */
  readonly seccomp: boolean;
}

/** Capabilities with which a thread keeps owners, modes, attributes and devices of content. */
export const CONTENT_CAPABILITIES: readonly Capability[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_MKNOD",
  "CAP_SETFCAP",
  // Subvolumes, quotas and `trusted.*` attributes.
  "CAP_SYS_ADMIN",
];

/** What a thread keeps. An isolated one also gives up programs, sockets and changing users. */
export interface ThreadLimits extends LandlockRules {
  readonly capabilities: readonly Capability[];
}

/** Returns what the kernel can bind this process's threads by. */
export function confinementSupport(): ConfinementSupport {
  return { landlock: landlockAbi(), seccomp: hasSeccomp() };
}

const PR_SET_NO_NEW_PRIVS = 38;

/**
 * Binds the calling thread, and every thread and process that it starts from now on, for good: no
 * program gives it new privileges, and it has no more capabilities, rights to files and system calls
 * than `limits` says. Threads that run already, and what they start, are not bound.
 * @param support what to bind it by, at most what {@link confinementSupport} returned
 * @throws {SystemError} where the kernel refuses; the thread may be bound by a part of it then
 */
export function confineThread(support: ConfinementSupport, limits: ThreadLimits): void {
  if (system().prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) < 0) {
    throw new SystemError(lastErrno(), "prctl(PR_SET_NO_NEW_PRIVS)", "this thread");
  }
  keepCapabilities(limits.capabilities);
  if (support.landlock > 0) restrictByLandlock(support.landlock, limits);
  // Last, as it may refuse what the steps before it need.
  if (support.seccomp) denySystemCalls(limits);
}
