/**
 * Linux by system calls: the one module that calls FFI.
 *
 * `openLibc()` first, once a thread. Then {@link Directory} handles lead to everything else, and no
 * path that is given to one leaves it. Names are bytes (or text, taken as UTF-8); failures are
 * {@link SystemError}s that name the errno, the call and the path. Everything is synchronous and
 * meant for a Worker of its own. Handles are closed by `using`; none is closed by collection. (`using`
 * costs 0.2 µs in V8 14: the hottest loops close in a `finally` instead.)
 */

export * from "./btrfs/mod.ts";
export * from "./confinement/mod.ts";
export { DT, FADVISE, NAME_MAX, O, PATH_MAX, S, SEEK } from "./constants.ts";
export { Descriptor, ignoreErrno } from "./descriptor.ts";
export { Directory, type OpenOptions } from "./directory.ts";
export type { Entry } from "./entries.ts";
export type { ErrnoName } from "../errors.ts";
export { isErrno, SystemError } from "./errno.ts";
export { File } from "./file.ts";
export { openLibc } from "./libc.ts";
export { DatagramSocket } from "./datagram_socket.ts";
export {
  bytesOf,
  displayName,
  isComponent,
  type Name,
  sameName,
  SLASH,
  splitPath,
} from "./path_names.ts";
export { type LowerPriority, lowerPriority } from "./priority.ts";
export { type ProcessUsage, processUsage } from "./process_usage.ts";
export { effectiveUser, fileSystemSpace, fileSystemType } from "./process.ts";
export {
  type Birth,
  type DeviceName,
  nameDevices,
  nameOwners,
  nanoseconds,
  Stat,
  type Timespec,
  timespec,
} from "./stat.ts";

export { type PeerCredentials, peerCredentials } from "./socket.ts";
export { joinPath, openLongPath, splitLast } from "./long_path.ts";
