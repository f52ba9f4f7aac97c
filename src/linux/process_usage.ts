/** Reads what this process has of what the kernel limits, without opening anything. */

import { AT } from "./constants.ts";
import { system } from "./libc.ts";
import { tryStatx } from "./stat.ts";

/** What a process uses and may use. */
export interface ProcessUsage {
  /** Open descriptors; absent before Linux 6.2, and where `/proc` is hidden. */
  openFiles?: number;
  /** How many may be open; absent for no limit. */
  maxOpenFiles?: number;
  /** Threads; absent where `/proc` is hidden. */
  threads?: number;
}

/** `asm-generic/resource.h`. */
const RLIMIT_NOFILE = 7;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;
/** A folder has a link of its parent and one of its own. */
const OWN_LINKS = 2;

const FILES = nulTerminated("/proc/self/fd");
const TASKS = nulTerminated("/proc/self/task");

/**
 * Returns what all threads of this process use together. Of the folders in `/proc` the kernel says by
 * their metadata how much they hold: nothing has to be opened, which a confined thread may not.
 */
export function processUsage(): ProcessUsage {
  const files = tryStatx(AT.FDCWD, FILES, 0);
  const tasks = tryStatx(AT.FDCWD, TASKS, 0);
  const limits = new BigUint64Array(2);
  const failed = system().getrlimit64(RLIMIT_NOFILE, new Uint8Array(limits.buffer)) < 0;
  const [soft = RLIM_INFINITY] = failed ? [] : limits;
  return {
    ...(files && files.size > 0 ? { openFiles: files.size } : {}),
    ...(soft === RLIM_INFINITY ? {} : { maxOpenFiles: Number(soft) }),
    ...(tasks && tasks.nlink > OWN_LINKS ? { threads: tasks.nlink - OWN_LINKS } : {}),
  };
}

function nulTerminated(path: string): Uint8Array {
  return new TextEncoder().encode(`${path}\0`);
}
