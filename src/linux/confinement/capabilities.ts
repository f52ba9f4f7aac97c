/** Capabilities of a thread. */

import { lastErrno, SystemError } from "../errno.ts";
import { system } from "../libc.ts";

/** `linux/capability.h`; those that some thread of ours needs. */
const NUMBERS = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_BIND_SERVICE: 10,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_MKNOD: 27,
  CAP_SETFCAP: 31,
} as const;

/** A capability that a thread may keep. */
export type Capability = keyof typeof NUMBERS;

/** `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two structs of 32. */
const VERSION = 0x2008_0522;
const SET_BYTES = 24;

/**
 * Gives up all capabilities of the calling thread but `kept`; what it starts from now on has no more,
 * unless the user id that it runs as gives it some. A thread that has none of them gets none.
 * @throws {SystemError}
 */
export function keepCapabilities(kept: readonly Capability[]): void {
  const header = new Uint8Array(128);
  new DataView(header.buffer).setUint32(0, VERSION, true);
  const sets = new Uint8Array(128);
  const sys = system();
  if (sys.capget(header, sets) < 0) throw new SystemError(lastErrno(), "capget", "this thread");
  const mask = kept.reduce((bits, name) => bits | 1n << BigInt(NUMBERS[name]), 0n);
  const view = new DataView(sets.buffer, 0, SET_BYTES);
  // Twice effective, permitted, inheritable: bits 0 to 31, then 32 to 63.
  for (let at = 0; at < SET_BYTES; at += 4) {
    const bits = Number(at < SET_BYTES / 2 ? mask & 0xffff_ffffn : mask >> 32n);
    view.setUint32(at, (view.getUint32(at, true) & bits) >>> 0, true);
  }
  if (sys.capset(header, sets) < 0) throw new SystemError(lastErrno(), "capset", "this thread");
}
