/** Sends GET requests to hosts that callers name, through the egress proxy. */

import { DaemonError, messageOf } from "../errors.ts";
import { OutboundRefused } from "./dial.ts";
import { clearProxyVariables } from "../proxy_variables.ts";
import type { EgressProxy, ProxySession } from "./egress_proxy.ts";

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Further headers of a request, and the signal that ends it. */
export interface GetOptions {
  headers?: Record<string, string>;
  signal: AbortSignal;
}

/** A server that could not be connected to, so that nothing was sent to it; UNAVAILABLE. */
export class NotConnectedError extends DaemonError {
  constructor(message: string, cause: unknown) {
    super("UNAVAILABLE", message, { cause });
  }
}

/** Returns an http(s) URL for messages: without userinfo, and without a query, which may be a signature. */
export function displayUrl(url: URL | string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** An HTTP client for one operation; disposing of it ends its connections. */
export class HttpClient implements Disposable {
  readonly #proxySession: ProxySession;
  readonly #client: Deno.HttpClient;
  readonly #connections: number;

  /**
   * @param options.isSentOnce whether no request is sent a second time: Deno does that by itself where a
   *   connection ends without an answer
   */
  constructor(egressProxy: EgressProxy, { isSentOnce = false } = {}) {
    this.#connections = isSentOnce ? 1 : Infinity;
    // Deno reads NO_PROXY when a client is made, so proxy variables must be gone: no connection may
    // bypass the egress proxy.
    clearProxyVariables();
    this.#proxySession = egressProxy.openSession();
    const { authorities } = egressProxy;
    this.#client = Deno.createHttpClient({
      proxy: { url: this.#proxySession.proxyUrl },
      ...(authorities === undefined ? {} : { caCerts: [authorities] }),
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
    this.#proxySession[Symbol.dispose]();
  }

  /**
   * Sends a GET request, following redirects; userinfo becomes an Authorization header for its origin alone.
   * The caller reads or cancels the body, which comes as the server stores it.
   * @throws {OutboundRefused} where its host, or that of a redirect, is forbidden
   * @throws {NotConnectedError} where not even the URL's own server could be connected to
   * @throws {DaemonError} UNAVAILABLE where the network fails, FAILED_PRECONDITION for bad redirects
   */
  async get(text: string, options: GetOptions): Promise<Response> {
    const { origin } = new URL(text);
    let url = new URL(text);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const login = url.origin === origin ? text : undefined;
      const response = await this.#send(url, login, options, hop === 0);
      if (!REDIRECTS.has(response.status)) return response;
      await response.body?.cancel();
      url = redirected(url, response.headers.get("location"));
    }
    throw new DaemonError("FAILED_PRECONDITION", `${displayUrl(text)} redirects too often`, {
      reason: "DOWNLOAD_FAILED",
    });
  }

  /** @param isFirst whether nothing was sent before */
  async #send(
    url: URL,
    login: string | undefined,
    options: GetOptions,
    isFirst: boolean,
  ): Promise<Response> {
    const { headers, signal } = options;
    const { username, password } = new URL(login ?? "http://none");
    const bare = new URL(url);
    bare.username = "";
    bare.password = "";
    bare.hash = "";
    this.#proxySession.reset(this.#connections);
    try {
      return await fetch(bare, {
        client: this.#client,
        redirect: "manual",
        signal,
        headers: {
          "accept-encoding": "identity",
          ...headers,
          ...(username || password ? { authorization: basic(username, password) } : {}),
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#explain(bare, error, isFirst);
    }
  }

  #explain(url: URL, error: unknown, isFirst: boolean): DaemonError {
    const refused = this.#proxySession.refusals[0];
    if (refused !== undefined) return new OutboundRefused(refused);
    if (error instanceof Deno.errors.NotCapable) {
      return new OutboundRefused(`${url.host} is not among net.allowHosts`);
    }
    const failure = this.#proxySession.failures.at(-1);
    const why = failure ?? messageOf(error);
    if (failure !== undefined && isFirst) {
      return new NotConnectedError(`${displayUrl(url)}: ${why}`, error);
    }
    return new DaemonError("UNAVAILABLE", `${displayUrl(url)}: ${why}`, { cause: error });
  }
}

function redirected(from: URL, location: string | null): URL {
  const to = location === null ? null : URL.parse(location, from);
  const where = displayUrl(from);
  if (!to) {
    throw new DaemonError("FAILED_PRECONDITION", `${where} redirects to nowhere`, {
      reason: "DOWNLOAD_FAILED",
    });
  }
  if (to.protocol === from.protocol || to.protocol === "https:") return to;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${where} redirects to ${to.protocol}//, which is not followed`,
    { reason: "DOWNLOAD_FAILED" },
  );
}

function basic(username: string, password: string): string {
  const text = `${decode(username)}:${decode(password)}`;
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
