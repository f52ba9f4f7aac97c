/** Binds a server's listeners, all of them or none. */

import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { DaemonError, messageOf } from "../errors.ts";
import { type Address, formatAddress, isLocal, resolveAddress } from "../address.ts";
import { clearStaleSocket, setAccess, type SocketAccess } from "./unix_socket.ts";

/** Options of {@link listen}. */
export interface ListenOptions {
  /** The credentials of TCP listeners; a unix socket is guarded by its file's mode. */
  tls?: ServerCredentials;
  /** Allows TCP without TLS beyond loopback. */
  insecure: boolean;
  /** Who may connect to unix sockets. */
  unixSocket: SocketAccess;
}

/** The meaning of the errno of a failed bind, for the person who configured the address. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not listen there (EACCES)",
  EADDRINUSE: "the port is taken by another process (EADDRINUSE)",
  EADDRNOTAVAIL: "this machine has no such address (EADDRNOTAVAIL)",
  // Deno turns EADDRNOTAVAIL into this one.
  EINVAL: "this machine has no such address (EINVAL)",
  ENOENT: "the folder of the socket does not exist (ENOENT)",
  ENOTDIR: "the folder of the socket is not a folder (ENOTDIR)",
};

/**
 * Binds `server` to every address; resolves to them, with the ports that were picked.
 * @throws {DaemonError} INVALID_ARGUMENT for an open listener without TLS, FAILED_PRECONDITION for
 *   an address that cannot be bound, naming it. The server may then have been bound in part; shut
 *   it down.
 */
export async function listen(
  server: Server,
  addresses: readonly Address[],
  options: ListenOptions,
): Promise<Address[]> {
  const resolved = await Promise.all(addresses.map(resolveAddress));
  if (!options.tls && !options.insecure) resolved.forEach(refuseOpen);
  const bound: Address[] = [];
  for (const address of resolved) {
    if (address.kind === "unix") await clearStaleSocket(address.path);
    const port = await bind(server, address, options.tls);
    if (address.kind === "unix") await setAccess(address.path, options.unixSocket);
    bound.push(address.kind === "unix" ? address : { ...address, port });
  }
  return bound;
}

function refuseOpen(address: Address): void {
  if (isLocal(address)) return;
  const where = formatAddress(address);
  const advice = "configure tls, listen on loopback, or say --insecure";
  throw new DaemonError(
    "INVALID_ARGUMENT",
    `Cannot listen on ${where} without TLS, since others can reach it: ${advice}`,
  );
}

function bind(server: Server, address: Address, tls?: ServerCredentials): Promise<number> {
  const insecure = ServerCredentials.createInsecure();
  const credentials = address.kind === "tcp" ? tls ?? insecure : insecure;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(formatAddress(address), credentials, (error, port) => {
    if (error) reject(bindError(address, error));
    else resolve(port);
  });
  return promise;
}

function bindError(address: Address, error: Error): DaemonError {
  // grpc-js passes on only the text of the listener's error, which has the errno's name.
  const errno = /\b(E[A-Z]{3,})\b/.exec(error.message)?.[1];
  const reason = (errno && REASONS[errno]) ?? messageOf(error);
  const message = `Cannot listen on ${formatAddress(address)}: ${reason}`;
  return new DaemonError("FAILED_PRECONDITION", message, { cause: error });
}
