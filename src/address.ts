/** The addresses that a listener or a client can have: `HOST:PORT` and `unix:///path`. */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { DaemonError, messageOf } from "./errors.ts";

/** A TCP address. */
export interface TcpAddress {
  readonly kind: "tcp";
  /** A name or an IP literal, without brackets. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

/** The address of a unix socket. */
export interface UnixAddress {
  readonly kind: "unix";
  /** Absolute path of the socket. */
  readonly path: string;
}

/** An address to listen on or to connect to; see {@link parseAddress} for the text form. */
export type Address = TcpAddress | UnixAddress;

/** An address that a server listens on. */
export type ListenAddress = Address;

/** `sun_path` of unix(7) holds 108 bytes, the last of them NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Parses `HOST:PORT`, `[IPv6]:PORT` or `unix:///path`.
 * @throws {DaemonError} INVALID_ARGUMENT saying what is wrong with it.
 */
export function parseAddress(text: string): Address {
  return text.startsWith("unix:") ? parseUnix(text) : parseTcp(text);
}

/** Formats an address as the text that {@link parseAddress} reads. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Returns whether only this machine can reach the address. A name counts only after {@link resolveAddress}. */
export function isLocal(address: Address): boolean {
  if (address.kind === "unix") return true;
  const host = address.host.replace(/^::ffff:/i, "");
  return isIP(host) === 4 ? host.startsWith("127.") : /^(0*:)+0*1$/.test(host);
}

/**
 * Looks up the name of an address, if it has one; IPv4 is preferred. A name thus means one address, so that permissions can be given for exactly what will be bound.
 * @throws {DaemonError} FAILED_PRECONDITION where the name is unknown.
 */
export async function resolveAddress<A extends Address>(address: A): Promise<A> {
  if (address.kind === "unix" || isIP(address.host) !== 0) return address;
  try {
    const found = await lookup(address.host, { all: true });
    const chosen = found.find(({ family }) => family === 4) ?? found[0];
    if (chosen) return { ...address, host: chosen.address };
  } catch (error) {
    const problem = `Cannot look up the host of ${formatAddress(address)}: ${messageOf(error)}`;
    throw new DaemonError("FAILED_PRECONDITION", problem, { cause: error });
  }
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${formatAddress(address)}: the host has no address`,
  );
}

function parseUnix(text: string): UnixAddress {
  const path = text.slice("unix://".length);
  if (!text.startsWith("unix:///") || path.length < 2 || path.includes("\0")) {
    throw malformed(text, "a unix socket is written unix:///absolute/path");
  }
  if (new TextEncoder().encode(path).length > MAX_SOCKET_PATH_BYTES) {
    throw malformed(text, `a socket's path has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return { kind: "unix", path };
}

function parseTcp(text: string): TcpAddress {
  const match = /^(?:\[([^\]]*)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  if (!match) throw malformed(text, "it is written HOST:PORT, [IPv6]:PORT or unix:///path");
  const [, bracketed, plain, digits] = match;
  if (bracketed !== undefined && isIP(bracketed) !== 6) {
    throw malformed(text, "what stands in brackets must be an IPv6 address");
  }
  const port = Number(digits);
  if (port > 65535) throw malformed(text, "a port is at most 65535");
  return { kind: "tcp", host: bracketed ?? plain!, port };
}

function malformed(text: string, problem: string): DaemonError {
  return new DaemonError(
    "INVALID_ARGUMENT",
    `Cannot use address ${JSON.stringify(text)}: ${problem}`,
  );
}

/** Returns whether text is a range of addresses such as `10.0.0.0/8`. */
export function isAddressRange(text: string): boolean {
  const [base = "", length = "", ...rest] = text.split("/");
  const kind = isIP(base);
  return rest.length === 0 && kind !== 0 && /^\d{1,3}$/.test(length) &&
    Number(length) <= (kind === 4 ? 32 : 128);
}
