/** Connects to addresses that were checked: the address that is checked is the one connected to. */

import { lookup } from "node:dns/promises";
import { connect as connectSocket, type Socket } from "node:net";
import { DaemonError, messageOf } from "../errors.ts";
import { canonicalAddress } from "./address.ts";
import { type OutboundRules, refusal } from "./policy.ts";
import { connectThrough, isDirect, ProxyRefusal, type UpstreamProxy } from "./upstream_proxy.ts";

const CONNECT_TIMEOUT_MS = 15_000;

/** A host that the rules forbid; FAILED_PRECONDITION, never retryable. */
export class OutboundRefused extends DaemonError {
  constructor(why: string) {
    super("FAILED_PRECONDITION", why, { reason: "EGRESS_REFUSED" });
  }
}

/**
 * Returns the addresses of `host`, all of which were checked.
 * @throws {OutboundRefused} where any is forbidden, so that a name cannot mix them
 * @throws {DaemonError} UNAVAILABLE where the name does not resolve
 */
export async function resolveChecked(rules: OutboundRules, host: string): Promise<string[]> {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  let found: { address: string }[];
  try {
    found = await lookup(bare, { all: true });
  } catch (error) {
    // With net.allowHosts the process has permission to look up those names only.
    if ((error as { code?: unknown }).code === "EPERM") {
      throw new OutboundRefused(`${bare} is not among net.allowHosts`);
    }
    throw new DaemonError("UNAVAILABLE", `could not resolve the host ${bare}`, { cause: error });
  }
  const addresses = found.map(({ address }) => address);
  for (const address of addresses) {
    const why = refusal(rules, bare, address);
    if (why !== undefined) throw new OutboundRefused(why);
  }
  return addresses;
}

/**
 * Connects to a port of a host, at an address that the rules allow. The caller owns the socket.
 * @param proxy what connects to hosts that are not reached directly; absent for none
 * @throws {OutboundRefused}
 * @throws {DaemonError} UNAVAILABLE where nothing answers there
 */
export async function dial(
  rules: OutboundRules,
  host: string,
  port: number,
  signal: AbortSignal,
  proxy?: UpstreamProxy,
): Promise<Socket> {
  const addresses = await resolveChecked(rules, host);
  let last: unknown;
  for (const address of addresses) {
    try {
      if (!proxy || isDirect(proxy, host, address)) {
        return await connect(host, address, port, signal);
      }
      return await connectByProxy(proxy, host, address, port, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof OutboundRefused) throw error;
      last = error;
    }
  }
  throw new DaemonError("UNAVAILABLE", `could not connect to ${host}:${port}: ${messageOf(last)}`, {
    cause: last,
  });
}

async function connect(
  host: string,
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    return await open(address, port, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    // With net.allowHosts the process has permission to connect by those names only.
    const socket = await open(host, port, signal);
    const actual = socket.remoteAddress ?? "";
    if (canonicalAddress(actual) === canonicalAddress(address)) return socket;
    socket.destroy();
    throw new OutboundRefused(`${host} resolved to ${address}, but led to ${actual}`);
  }
}

/** Connects to an address by a proxy, which may be anywhere: only its own rules bind it. */
async function connectByProxy(
  proxy: UpstreamProxy,
  host: string,
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  const name = `the proxy ${proxy.host}:${proxy.port} (net.proxy)`;
  const to = proxy.connectBy === "name" ? host.replace(/^\[(.*)\]$/, "$1") : address;
  let socket: Socket;
  try {
    socket = await open(proxy.host, proxy.port, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`${name} cannot be reached: ${messageOf(error)}`, { cause: error });
  }
  const destroy = () => socket.destroy();
  const timer = setTimeout(destroy, CONNECT_TIMEOUT_MS);
  signal.addEventListener("abort", destroy);
  try {
    await connectThrough(socket, proxy, to, port);
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    const message = `${name} does not connect: ${messageOf(error)}`;
    if (error instanceof ProxyRefusal && error.isFinal) throw new OutboundRefused(message);
    throw new Error(message, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", destroy);
  }
}

/** Opens a socket of Node's: Deno's own stays open when it is closed during a read (2.8.3). */
function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, allowHalfOpen: true });
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
      socket.removeAllListeners();
      // An error event without a listener would end the process; reads and writes report it anyway.
      socket.on("error", () => {});
      act();
    };
    const fail = (error: unknown) =>
      settle(() => {
        socket.destroy();
        reject(error);
      });
    const cancel = () => fail(signal.reason);
    const timer = setTimeout(() => fail(new Error("timed out")), CONNECT_TIMEOUT_MS);
    signal.addEventListener("abort", cancel);
    socket.once("error", fail);
    socket.once("connect", () => settle(() => resolve(socket)));
    if (signal.aborted) cancel();
  });
}
