/**
 * The gRPC server: the API, health and reflection, on every listener.
 *
 * Calls come in through `calls.ts` (counted and logged), are decoded and mapped by `unary.ts`,
 * translated by `service.ts`, and answered by the workspaces; errors become statuses in `status.ts`.
 */

// First, since what health and reflection load at import relies on it.
import "../patches/mod.ts";
import { Server, type ServerOptions, setLogger } from "@grpc/grpc-js";
import { resolvesWithin } from "../async/mod.ts";
import { systemClock } from "../clock.ts";
import { canPing } from "../deno_version.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { SpanSink } from "../tracing/mod.ts";
import type { Administration } from "../admin/mod.ts";
import type { Workspaces } from "../workspace/mod.ts";
import { formatAddress, type ListenAddress } from "../address.ts";
import { Calls } from "./calls.ts";
import { OperationsService, WorkspaceContentService } from "../wire/mod.ts";
import { addReflection, Health } from "./health.ts";
import { listen } from "./listen.ts";
import { CallSpans } from "./call_spans.ts";
import { watchHandshakes } from "./handshakes.ts";
import { Peers, type ReadPeerCredentials } from "./peers.ts";
import { DEFAULT_ACCESS, type SocketAccess } from "./unix_socket.ts";
import { RpcMetrics } from "./rpc_metrics.ts";
import { operationsService } from "./operations_service.ts";
import { workspaceContentService } from "./service.ts";
import { TlsCredentials, type TlsMaterial } from "./tls.ts";
import { serviceDefinition, serviceImplementation } from "./unary.ts";

const log = logger("rpc");

/** Limits on what one client takes. Times are in milliseconds. */
export interface RpcLimits {
  /** Bytes of one message, either way. */
  maxMessageBytes: number;
  /** Calls at once on one connection; every waiter of WaitForInit is one. */
  maxConcurrentCalls: number;
  /**
   * How long a connection may be silent before it is asked whether it is still there. Nobody is asked
   * where this version of Deno cannot ask.
   */
  keepaliveTime: number;
  /** How long its answer may take. */
  keepaliveTimeout: number;
}

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
  /** The addresses that were bound, with the ports that were picked. */
  readonly addresses: readonly ListenAddress[];
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

/** Milliseconds for an UNAVAILABLE to reach its client before the connection is cut. */
const FLUSH_TIME = 1000;

/**
 * Starts serving on every address, or on none.
 * @throws {DaemonError} INVALID_ARGUMENT or FAILED_PRECONDITION, naming the address or certificate.
 */
export async function startRpc(options: RpcOptions): Promise<RpcServer> {
  logThroughOurs();
  const tls = options.tls && new TlsCredentials(options.tls);
  const peers = new Peers(options.readPeerCredentials);
  const rpcMetrics = new RpcMetrics(options.metrics);
  const spans = new CallSpans(options.spans);
  const callers = { peers, spans };
  const calls = new Calls(rpcMetrics, peers, spans);
  const health = new Health();
  const server = new Server(serverOptions({ ...DEFAULT_LIMITS, ...options.limits }, calls));
  server.addService(
    serviceDefinition(WorkspaceContentService),
    serviceImplementation(
      WorkspaceContentService,
      workspaceContentService(options.workspaces),
      callers,
    ),
  );
  server.addService(
    serviceDefinition(OperationsService),
    serviceImplementation(OperationsService, operationsService(options.administration), callers),
  );
  health.addTo(server);
  addReflection(server);

  let addresses: readonly ListenAddress[];
  try {
    addresses = await listen(server, options.listen, {
      insecure: options.insecure ?? false,
      unixSocket: options.unixSocket ?? DEFAULT_ACCESS,
      ...(tls ? { tls } : {}),
    });
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
  watchHandshakes(server, rpcMetrics);
  log.debug("bound {addresses}", { addresses: addresses.map(formatAddress) });

  let stopped: Promise<void> | undefined;
  return {
    addresses,
    setServing: (serving) => {
      if (!stopped) health.set(serving);
    },
    replaceTls: (material) => {
      if (!tls) throw new DaemonError("INVALID_ARGUMENT", "Cannot replace TLS: it is not in use");
      tls.replace(material);
    },
    stop: (grace) => {
      if (!stopped) {
        health.set(false);
        stopped = drain(server, calls, grace);
      }
      return stopped;
    },
  };
}

function serverOptions(limits: RpcLimits, calls: Calls): ServerOptions {
  return {
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_send_message_length": limits.maxMessageBytes,
    "grpc.max_concurrent_streams": limits.maxConcurrentCalls,
    ...canPing(Deno.version.deno) && {
      "grpc.keepalive_time_ms": limits.keepaliveTime,
      "grpc.keepalive_timeout_ms": limits.keepaliveTimeout,
    },
    interceptors: [calls.interceptor],
  };
}

async function drain(server: Server, calls: Calls, grace: number): Promise<void> {
  calls.endStreams();
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  if (await resolvesWithin(closed, grace, systemClock)) return;
  log.warn("calls still under way after {grace} ms of grace are ended", { grace });
  calls.endAll();
  await resolvesWithin(closed, FLUSH_TIME, systemClock);
  server.forceShutdown();
}

/** Has grpc-js log through our logger; by itself it writes to the console. */
function logThroughOurs(): void {
  const write = (...words: unknown[]) => log.debug("grpc-js: {words}", { words: words.join(" ") });
  setLogger({ error: write, info: write, debug: write });
}
