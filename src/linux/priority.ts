/** The share of processors and disks that a thread asks for. */

import { SYSCALL } from "./constants.ts";
import { lastErrno, SystemError } from "./errno.ts";
import { system } from "./libc.ts";

/** How much less than before a thread asks for. */
export interface LowerPriority {
  /** What is added to its nice value, which is 19 at most: each step is a tenth less of a contended core. */
  nice: number;
  /**
   * Its class of disk accesses: the last among those of its class, or only when nobody else has any. Disk
   * schedulers that know no classes (`none`, `kyber`) take no notice.
   */
  io: "last" | "idle";
}

/** `linux/resource.h` and `linux/ioprio.h`; a process's id of 0 means the calling thread. */
const PRIO_PROCESS = 0;
const IOPRIO_WHO_PROCESS = 1;
const THIS_THREAD = 0;
const MAX_NICE = 19;
/** The kernel returns 20 less the nice value, so that no value is negative. */
const NICE_ORIGIN = 20;
/** A class in the upper three bits of sixteen, a level of it in the lower ones. */
const IO_PRIORITIES = { last: 2 << 13 | 7, idle: 3 << 13 } as const;

/**
 * Lowers the priority of the calling thread alone; what it starts from now on has the same. This takes
 * no right, and raising it again does.
 * @throws {SystemError} EPERM where a seccomp filter refuses it
 */
export function lowerPriority({ nice, io }: LowerPriority): void {
  const sys = system();
  const origin = sys.getpriority(SYSCALL.getpriority, PRIO_PROCESS, THIS_THREAD);
  if (origin < 0) throw new SystemError(lastErrno(), "getpriority", "this thread");
  const lower = Math.min(MAX_NICE, NICE_ORIGIN - origin + nice);
  if (sys.setpriority(PRIO_PROCESS, THIS_THREAD, lower) < 0) {
    throw new SystemError(lastErrno(), "setpriority", "this thread");
  }
  const { [io]: priority } = IO_PRIORITIES;
  if (sys.ioprio_set(SYSCALL.ioprio_set, IOPRIO_WHO_PROCESS, THIS_THREAD, priority) < 0) {
    throw new SystemError(lastErrno(), "ioprio_set", "this thread");
  }
}
