/**
 * The gRPC server: the API, the calls of operators, health and reflection.
 *
 * Calls come in through `calls.ts` (counted and logged), are decoded and mapped by `unary.ts`,
 * translated by `service.ts` and `operations_service.ts`, and answered by the workspaces and the
 * administration; errors become statuses in `status.ts`.
 */

import { setLogger } from "@grpc/grpc-js";
import { type Address, formatAddress, type ListenAddress } from "../address.ts";
import type { Administration } from "../admin/mod.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { SpanSink } from "../tracing/mod.ts";
import { OperationsService, WorkspaceContentService } from "../wire/mod.ts";
import type { Workspaces } from "../workspace/mod.ts";
import { CallSpans } from "./call_spans.ts";
import { Endpoint, type EndpointOptions, type RpcLimits, type ServedService } from "./endpoint.ts";
import { operationsService } from "./operations_service.ts";
import { Peers, type ReadPeerCredentials } from "./peers.ts";
import { RpcMetrics } from "./rpc_metrics.ts";
import { workspaceContentService } from "./service.ts";
import { TlsCredentials, type TlsMaterial } from "./tls.ts";
import { type CallerSources, serviceImplementation } from "./unary.ts";
import { DEFAULT_ACCESS, type SocketAccess } from "./unix_socket.ts";

const log = logger("rpc");

/** The limits of a daemon. */
export const DEFAULT_LIMITS: RpcLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxConcurrentCalls: 1000,
  keepaliveTime: 60_000,
  keepaliveTimeout: 20_000,
};

/** Options of {@link startRpc}. */
export interface RpcOptions {
  workspaces: Workspaces;
  administration: Administration;
  /** The addresses to listen on; at least one. */
  listen: readonly ListenAddress[];
  /** Where the calls of operators are served, and nowhere else; with the API on `listen` if absent. */
  operationsListen?: readonly ListenAddress[];
  metrics: Metrics;
  /** Makes every TCP listener TLS. */
  tls?: TlsMaterial;
  /** Allows TCP without TLS beyond loopback. */
  insecure?: boolean;
  /** Who may connect to unix sockets; the owner and the group unless given. */
  unixSocket?: SocketAccess;
  limits?: Partial<RpcLimits>;
  /** Takes the spans of calls; absent where nobody traces. */
  spans?: SpanSink;
  /** Tells who is behind a unix socket; absent where nobody can. */
  readPeerCredentials?: ReadPeerCredentials;
}

/** A server that is listening, from {@link startRpc} on until it is stopped. */
export interface RpcServer {
  /** The addresses of the API that were bound, with the ports that were picked. */
  readonly addresses: readonly ListenAddress[];
  /** Those where the calls of operators alone are served; none where `addresses` have them. */
  readonly operationsAddresses: readonly ListenAddress[];
  /** Sets the answer of the health service; NOT_SERVING at first. */
  setServing(serving: boolean): void;
  /**
   * Uses other certificates for connections made from now on.
   * @throws {DaemonError} INVALID_ARGUMENT; the old ones then stay in use.
   */
  replaceTls(tls: TlsMaterial): void;
  /**
   * Stops: health says NOT_SERVING, no new calls, those under way get `grace` milliseconds and then
   * UNAVAILABLE. Never rejects; a second call joins the first.
   */
  stop(grace: number): Promise<void>;
}

/**
 * Starts serving on every address, or on none.
 * @throws {DaemonError} INVALID_ARGUMENT or FAILED_PRECONDITION, naming the address or certificate.
 */
export async function startRpc(options: RpcOptions): Promise<RpcServer> {
  logThroughOurs();
  const tls = options.tls && new TlsCredentials(options.tls);
  const metrics = new RpcMetrics(options.metrics);
  const callers = {
    peers: new Peers(options.readPeerCredentials),
    spans: new CallSpans(options.spans),
  };
  const endpoints = await listenOnAll(planOf(options, callers), {
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    metrics,
    callers,
    tls,
    insecure: options.insecure ?? false,
    unixSocket: options.unixSocket ?? DEFAULT_ACCESS,
  });
  metrics.observeInFlight(() => endpoints.reduce((sum, one) => sum + one.callsInFlight, 0));
  const [api, operations] = endpoints;

  let stopped: Promise<void> | undefined;
  return {
    addresses: api!.addresses,
    operationsAddresses: operations?.addresses ?? [],
    setServing: (serving) => {
      if (!stopped) endpoints.forEach((endpoint) => endpoint.setServing(serving));
    },
    replaceTls: (material) => {
      if (!tls) throw new DaemonError("INVALID_ARGUMENT", "Cannot replace TLS: it is not in use");
      tls.replace(material);
    },
    stop: (grace) => {
      stopped ??= Promise.all(endpoints.map((endpoint) => endpoint.stop(grace))).then(() => {});
      return stopped;
    },
  };
}

/** Services, and where they are served. */
interface Plan {
  addresses: readonly Address[];
  services: readonly ServedService[];
}

/** Returns what is served where; the API comes first. */
function planOf(
  { workspaces, administration, listen, operationsListen }: RpcOptions,
  callers: CallerSources,
): Plan[] {
  const api = {
    service: WorkspaceContentService,
    implementation: serviceImplementation(
      WorkspaceContentService,
      workspaceContentService(workspaces),
      callers,
    ),
  };
  const operations = {
    service: OperationsService,
    implementation: serviceImplementation(
      OperationsService,
      operationsService(administration),
      callers,
    ),
  };
  return operationsListen
    ? [
      { addresses: listen, services: [api] },
      { addresses: operationsListen, services: [operations] },
    ]
    : [{ addresses: listen, services: [api, operations] }];
}

/** Serves everything that is planned. @throws {DaemonError} where that fails; nothing is served then */
async function listenOnAll(
  plans: readonly Plan[],
  options: Omit<EndpointOptions, "services">,
): Promise<Endpoint[]> {
  const endpoints: Endpoint[] = [];
  try {
    for (const { addresses, services } of plans) {
      const endpoint = new Endpoint({ ...options, services });
      await endpoint.listen(addresses);
      endpoints.push(endpoint);
      log.debug("{services} on {addresses}", {
        services: services.map(({ service }) => service.typeName),
        addresses: endpoint.addresses.map(formatAddress),
      });
    }
    return endpoints;
  } catch (error) {
    await Promise.all(endpoints.map((endpoint) => endpoint.stop(0)));
    throw error;
  }
}

/** Has grpc-js log through our logger; by itself it writes to the console. */
function logThroughOurs(): void {
  const write = (...words: unknown[]) => log.debug("grpc-js: {words}", { words: words.join(" ") });
  setLogger({ error: write, info: write, debug: write });
}
