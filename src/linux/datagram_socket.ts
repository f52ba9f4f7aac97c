/** Unix datagram sockets, which Deno has only where it may bind a name of its own. */

import { Descriptor } from "./descriptor.ts";
import { lastErrno, SystemError } from "./errno.ts";
import { system } from "./libc.ts";
import { bytesOf } from "./path_names.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of `sun_path` in `struct sockaddr_un`; before it is the family, a u16. */
const PATH_BYTES = 108;
const FAMILY_BYTES = 2;

/** A socket that sends to one address. */
export class DatagramSocket implements Disposable {
  readonly #socket: Descriptor;
  readonly #address: Uint8Array<ArrayBuffer>;
  readonly #path: string;

  /**
   * Opens a socket.
   * @param address an absolute path, or `@` and a name of the abstract namespace
   * @throws {SystemError} ENAMETOOLONG, EINVAL, EMFILE
   */
  constructor(address: string) {
    const path = bytesOf(address);
    if (path.length > PATH_BYTES) throw new SystemError("ENAMETOOLONG", "sendto", address);
    if (path[0] !== 0x2f && path[0] !== 0x40) throw new SystemError("EINVAL", "sendto", address);
    this.#path = address;
    this.#address = new Uint8Array(FAMILY_BYTES + path.length);
    this.#address[0] = AF_UNIX;
    this.#address.set(path, FAMILY_BYTES);
    if (path[0] === 0x40) this.#address[FAMILY_BYTES] = 0;
    const fd = system().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new SystemError(lastErrno(), "socket", address);
    this.#socket = new Descriptor(fd, undefined, address);
  }

  /**
   * Sends one datagram; never waits.
   * @throws {SystemError} ENOENT or ECONNREFUSED where nobody receives, EAGAIN where it is not read
   */
  send(data: Uint8Array<ArrayBuffer>): void {
    const sent = system().sendto(
      this.#socket.fd,
      data,
      BigInt(data.length),
      MSG_DONTWAIT | MSG_NOSIGNAL,
      this.#address,
      this.#address.length,
    );
    if (sent < 0) throw new SystemError(lastErrno(), "sendto", this.#path);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
