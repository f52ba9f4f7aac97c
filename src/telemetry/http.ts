/** The operators' HTTP endpoints: `/metrics`, `/healthz` and `/readyz`, and a page for people at `/`. */

import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "./metrics.ts";

/** Whether something is well, and what to say of it in one line. */
export interface HealthStatus {
  ok: boolean;
  message: string;
}

/** The listener of the endpoints, and the sources of their answers. */
export interface MetricsHttpOptions {
  listen: { hostname: string; port: number };
  metrics: Metrics;
  /** Whether the process does its work at all; where not, it should be restarted. */
  health: () => HealthStatus;
  /** Whether it should be given work now. */
  ready: () => HealthStatus;
  /** Returns the page, as HTML, and further headers for it; there is none unless given. */
  page?: () => Promise<{ body: string; headers: Readonly<Record<string, string>> }>;
}

/** The endpoints, being served. */
export interface MetricsHttp {
  /** The address that was bound, with the port that was picked. */
  readonly address: { hostname: string; port: number };
  stop(): Promise<void>;
}

type Endpoint = () => Response | Promise<Response>;

const log = logger("telemetry");
const TEXT = "text/plain; charset=utf-8";

/**
 * Serves the endpoints; there is nothing secret in them, and nothing can be done through them.
 * @throws {DaemonError} FAILED_PRECONDITION naming the address where it cannot be bound.
 */
export function startMetricsHttp(options: MetricsHttpOptions): MetricsHttp {
  const { listen: { hostname, port }, page } = options;
  const endpoints: Readonly<Record<string, Endpoint>> = {
    ...(page ? { "/": async () => pageResponse(await page()) } : {}),
    "/metrics": async () => respond(200, await options.metrics.text(), options.metrics.contentType),
    "/healthz": () => healthResponse(options.health()),
    "/readyz": () => healthResponse(options.ready()),
  };
  try {
    const server = Deno.serve(
      { hostname, port, onListen: () => {}, onError: failed },
      (request) => answer(endpoints, request),
    );
    return {
      address: { hostname: server.addr.hostname, port: server.addr.port },
      stop: () => server.shutdown(),
    };
  } catch (error) {
    const where = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
    const reason = error instanceof Deno.errors.AddrInUse
      ? "the port is taken by another process"
      : messageOf(error);
    const message = `Cannot serve metrics on ${where}: ${reason}`;
    throw new DaemonError("FAILED_PRECONDITION", message, { cause: error });
  }
}

async function answer(
  endpoints: Readonly<Record<string, Endpoint>>,
  request: Request,
): Promise<Response> {
  const { pathname } = new URL(request.url);
  const endpoint = Object.hasOwn(endpoints, pathname) ? endpoints[pathname] : undefined;
  if (!endpoint) {
    return respond(404, `Not found; there are ${Object.keys(endpoints).join(", ")}\n`);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respond(405, `${request.method} is not allowed; use GET\n`, TEXT, {
      allow: "GET, HEAD",
    });
  }
  return await endpoint();
}

function pageResponse(
  { body, headers }: { body: string; headers: Readonly<Record<string, string>> },
): Response {
  return respond(200, body, "text/html; charset=utf-8", headers);
}

function healthResponse({ ok, message }: HealthStatus): Response {
  return respond(ok ? 200 : 503, `${message}\n`);
}

function respond(
  status: number,
  body: string,
  contentType = TEXT,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, {
    status,
    headers: { "content-type": contentType, "cache-control": "no-store", ...headers },
  });
}

function failed(error: unknown): Response {
  log.error("cannot answer a request for metrics: {error}", { error });
  return respond(500, "internal error; the daemon's log says more\n");
}
