/** Computes the permissions that serving the API takes, before the Worker that serves is started. */

import { type Address, formatAddress } from "../address.ts";
import { protoFolders } from "../program_files.ts";

/** Permissions of Deno's that serving the API takes. */
export interface RpcPermissions {
  net: string[];
  read: string[];
  write: string[];
  env: string[];
}

/** Environment variables that grpc-js reads when it is loaded or resolves a name. */
const ENVIRONMENT = [
  "GRPC_*",
  "NODE_*",
  "grpc_proxy",
  "http_proxy",
  "https_proxy",
  "no_grpc_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
];

/** Returns the permissions that serving at `addresses` takes, each of them already resolved. */
export function rpcPermissions(addresses: readonly Address[]): RpcPermissions {
  const sockets = addresses.flatMap((address) => address.kind === "unix" ? [address.path] : []);
  return {
    net: addresses.flatMap((address) => address.kind === "tcp" ? [formatAddress(address)] : []),
    read: [...protoFolders(), ...sockets],
    write: sockets,
    env: ENVIRONMENT,
  };
}
