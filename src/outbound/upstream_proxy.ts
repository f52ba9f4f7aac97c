/**
 * The proxy of a network that lets nobody out by himself: connections to hosts that callers name go
 * through it (HTTP CONNECT, RFC 9110, section 9.3.6), once their addresses were checked here.
 */

import { BlockList, isIPv6, type Socket } from "node:net";
import { Buffer } from "node:buffer";
import { DaemonError, explainPath, messageOf } from "../errors.ts";
import { canonicalAddress, classifyAddress } from "./address.ts";
import { matchesHost } from "./policy.ts";

/** A proxy, and who is reached without it. */
export interface UpstreamProxy {
  readonly host: string;
  readonly port: number;
  /** `user:password`; absent where it asks for none. */
  readonly credentials?: string;
  /**
   * Whether it is asked for the address that was checked, or for the host by name, which it then looks
   * up itself.
   */
  readonly connectBy: "address" | "name";
  /** Host names, `*.domain`, IP addresses and ranges (`10.0.0.0/8`) that are reached directly. */
  readonly exceptions: readonly string[];
}

/** A proxy's refusal to connect; it has answered, so nothing was sent to the host. */
export class ProxyRefusal extends Error {
  /** @param isFinal whether the proxy has decided so, rather than failed to connect */
  constructor(message: string, readonly isFinal: boolean) {
    super(message);
  }
}

/**
 * Reads a file with `user:password`, which may end with a line break.
 * @throws {DaemonError} FAILED_PRECONDITION where it cannot be read, or has another form; it repeats
 *   nothing of the file
 */
export function readProxyCredentials(path: string): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(path).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot read net.proxyCredentialsFile ${path}: ${explainPath(cause, path)}`,
      { cause },
    );
  }
  if (/^[^:\r\n\0]+:[^\r\n\0]*$/.test(text)) return text;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `net.proxyCredentialsFile ${path} must hold one line of the form user:password`,
  );
}

/** Bytes of an answer to CONNECT at most. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Returns whether a host is reached without the proxy: this machine, which is another one to the proxy,
 * and the exceptions.
 * @param address what the host resolved to
 */
export function isDirect({ exceptions }: UpstreamProxy, host: string, address: string): boolean {
  if (classifyAddress(address) === "loopback") return true;
  return exceptions.some((exception) =>
    exception.includes("/")
      ? isInRange(exception, address)
      : matchesHost(exception, host) || canonicalAddress(exception) === canonicalAddress(address)
  );
}

function isInRange(range: string, address: string): boolean {
  const [base, length] = range.split("/") as [string, string];
  const canonical = canonicalAddress(address);
  const list = new BlockList();
  list.addSubnet(base, Number(length), isIPv6(base) ? "ipv6" : "ipv4");
  return isIPv6(base) === isIPv6(canonical) &&
    list.check(canonical, isIPv6(canonical) ? "ipv6" : "ipv4");
}

/**
 * Has a proxy connect to a host. Afterwards the socket leads there.
 * @param socket connected to the proxy; the caller destroys it where this fails, and bounds its time
 * @throws {ProxyRefusal} where the proxy does not connect
 */
export async function connectThrough(
  socket: Socket,
  { credentials }: Pick<UpstreamProxy, "credentials">,
  host: string,
  port: number,
): Promise<void> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const login = credentials === undefined
    ? ""
    : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString("base64")}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
  const { head, rest } = await readHead(socket);
  const [, code = "", reason = ""] = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?/.exec(head) ?? [];
  if (code === "") throw new ProxyRefusal("it does not speak HTTP", false);
  if (!code.startsWith("2")) {
    const told = `${code} ${reason}`.trim();
    throw new ProxyRefusal(`it answered ${told} to CONNECT ${authority}`, code.startsWith("4"));
  }
  if (rest.length > 0) socket.unshift(rest);
}

/** Reads the head of an answer. @returns it, and what came after it */
function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (act: () => void) => {
      socket.off("data", onData).off("end", onEnd).off("error", onError).off("close", onEnd);
      socket.pause();
      act();
    };
    const fail = (why: string) => settle(() => reject(new ProxyRefusal(why, false)));
    const onEnd = () => fail("it closed the connection");
    const onError = (error: unknown) => fail(messageOf(error));
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0 && received.length <= MAX_HEAD_BYTES) return;
      if (end < 0) return fail("its answer has no end");
      const head = received.subarray(0, end).toString("latin1");
      settle(() => resolve({ head, rest: received.subarray(end + 4) }));
    };
    socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onEnd);
  });
}
