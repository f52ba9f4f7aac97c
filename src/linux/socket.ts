/** What the kernel knows of the other end of a socket. */

import { lastErrno, SystemError } from "./errno.ts";
import { system } from "./libc.ts";

/** The process at the other end of a unix socket, when it connected. */
export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/** `asm-generic/socket.h`. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/**
 * Returns who is at the other end of a connected unix socket.
 * @param fd of this process, whichever thread opened it
 * @throws {SystemError} where it is no such socket
 */
export function peerCredentials(fd: number): PeerCredentials {
  const credentials = new Int32Array(3);
  const size = new Uint32Array([credentials.byteLength]);
  const result = system().getsockopt(
    ...[fd, SOL_SOCKET, SO_PEERCRED, bytesOf(credentials), bytesOf(size)] as const,
  );
  if (result < 0) throw new SystemError(lastErrno(), "getsockopt", `descriptor ${fd}`);
  const [pid, uid, gid] = credentials;
  return { pid: pid!, uid: uid! >>> 0, gid: gid! >>> 0 };
}

function bytesOf({ buffer }: { buffer: ArrayBuffer }): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}
