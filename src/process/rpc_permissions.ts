/** What the process that serves the API must be allowed, computed before it is started. */

import { fromFileUrl } from "@std/path";
import { type Address, formatAddress } from "../address.ts";

export interface RpcPermissions {
  net: string[];
  read: string[];
  write: string[];
  env: string[];
}

/** What grpc-js reads when it is loaded or resolves a name. */
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

/** Folders of the packages' own .proto files, which health and reflection read when they start. */
export function protoFolders(): string[] {
  return [
    new URL("../../proto", import.meta.resolve("grpc-health-check")),
    new URL("../proto", import.meta.resolve("@grpc/reflection")),
  ].map(fromFileUrl);
}

/** The permissions that serving at `addresses`, each already resolved, takes. */
export function rpcPermissions(addresses: readonly Address[]): RpcPermissions {
  const sockets = addresses.flatMap((address) => address.kind === "unix" ? [address.path] : []);
  return {
    net: addresses.flatMap((address) => address.kind === "tcp" ? [formatAddress(address)] : []),
    read: [...protoFolders(), ...sockets],
    write: sockets,
    env: ENVIRONMENT,
  };
}
