/** What the process is and has. */

import { interrupted, type Located } from "./errno.ts";
import { system } from "./libc.ts";

/** Whose rights system calls are made with. */
export function effectiveUser(): { uid: number; gid: number } {
  const sys = system();
  return { uid: sys.geteuid(), gid: sys.getegid() };
}

/** A file system's state; sizes in bytes. */
export interface FileSystemStat {
  /** The number that names its kind, as in `linux/magic.h`. */
  readonly type: number;
  readonly blockSize: number;
  readonly size: number;
  /** Free for users without privileges. */
  readonly available: number;
  readonly freeInodes: number;
}

/** The file system that a descriptor is on. @throws {SystemError} */
export function fileSystem(of: Located & { readonly fd: number }): FileSystemStat {
  const words = new BigUint64Array(16);
  while (system().fstatfs64(of.fd, new Uint8Array(words.buffer)) < 0) interrupted("fstatfs", of);
  const blockSize = Number(words[1]!);
  return {
    type: Number(words[0]!),
    blockSize,
    size: Number(words[2]!) * blockSize,
    available: Number(words[4]!) * blockSize,
    freeInodes: Number(words[6]!),
  };
}
