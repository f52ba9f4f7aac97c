/** The credentials of a client's connection. */

import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials as channelCredentials,
} from "@grpc/grpc-js";
import type { Address } from "../address.ts";

/** Certificates of a connection with TLS; each part is the content of a PEM file. */
export interface ClientTls {
  /** Authorities to trust; the system's where absent. */
  ca?: Uint8Array;
  /** The client's own certificate and key, for mTLS. */
  cert?: Uint8Array;
  key?: Uint8Array;
  /** The name to expect in the server's certificate, where it is not the address' host. */
  serverName?: string;
}

/** Returns the options of a channel to `address`: proxies, and the name that TLS asks for. */
export function channelOptions(address: Address, tls: ClientTls | undefined): ChannelOptions {
  return {
    // The daemon is on this node or next to it: proxies are for the world outside.
    "grpc.enable_http_proxy": 0,
    ...(tls ? { "grpc.ssl_target_name_override": sentName(address, tls) } : {}),
  };
}

/** Returns the credentials of a channel to `address`; without `tls`, it is in the clear. */
export function credentials(address: Address, tls: ClientTls | undefined): ChannelCredentials {
  if (!tls) return channelCredentials.createInsecure();
  const pem = (bytes?: Uint8Array) => bytes ? Buffer.from(bytes) : null;
  const expected = expectedName(address, tls);
  return channelCredentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), {
    checkServerIdentity: (_sent, certificate) => checkServerIdentity(expected, certificate),
  });
}

/** Returns the name that the server's certificate must be for. */
function expectedName(address: Address, tls: ClientTls): string {
  return tls.serverName ?? (address.kind === "tcp" ? address.host : "localhost");
}

/** Returns the name to ask the server for, which TLS does not allow to be an IP address. */
function sentName(address: Address, tls: ClientTls): string {
  const expected = expectedName(address, tls);
  return isIP(expected) === 0 ? expected : "localhost";
}
