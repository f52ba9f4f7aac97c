/** One gRPC server: some services, with health and reflection of them, on listeners of its own. */

// First, since what health and reflection load at import relies on it.
import "../patches/mod.ts";
import type { DescService } from "@bufbuild/protobuf";
import {
  Server,
  type ServerCredentials,
  type ServerOptions,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { resolvesWithin } from "../async/mod.ts";
import type { Address } from "../address.ts";
import { systemClock } from "../clock.ts";
import { canPing } from "../deno_version.ts";
import { logger } from "../log/mod.ts";
import { Calls } from "./calls.ts";
import { watchHandshakes } from "./handshakes.ts";
import { addReflection, Health } from "./health.ts";
import { keepAlive, type KeepaliveTimes } from "./keepalive.ts";
import { listen } from "./listen.ts";
import type { RpcMetrics } from "./rpc_metrics.ts";
import { type CallerSources, serviceDefinition } from "./unary.ts";
import type { SocketAccess } from "./unix_socket.ts";

const log = logger("rpc");

/** Limits on what one client takes; nobody is asked by PING where this version of Deno cannot ask. */
export interface RpcLimits extends KeepaliveTimes {
  /** Bytes of one message, either way. */
  maxMessageBytes: number;
  /** Calls at once on one connection; every waiter of WaitForInit is one. */
  maxConcurrentCalls: number;
}

/** A service, and what answers its calls. */
export interface ServedService {
  service: DescService;
  implementation: UntypedServiceImplementation;
}

/** What an {@link Endpoint} is made from. */
export interface EndpointOptions {
  services: readonly ServedService[];
  limits: RpcLimits;
  metrics: RpcMetrics;
  callers: CallerSources;
  /** The credentials of TCP listeners. */
  tls?: ServerCredentials | undefined;
  /** Allows TCP without TLS beyond loopback. */
  insecure: boolean;
  /** Who may connect to unix sockets. */
  unixSocket: SocketAccess;
}

/** Milliseconds for an UNAVAILABLE to reach its client before the connection is cut. */
const FLUSH_TIME = 1000;

/** A gRPC server with its listeners; NOT_SERVING until it is told otherwise. */
export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #server: Server;
  readonly #calls: Calls;
  readonly #health: Health;
  #addresses: readonly Address[] = [];

  constructor(options: EndpointOptions) {
    this.#options = options;
    const { services, limits, metrics, callers } = options;
    this.#calls = new Calls(metrics, callers.peers, callers.spans);
    this.#server = new Server(serverOptions(limits, this.#calls));
    for (const { service, implementation } of services) {
      this.#server.addService(serviceDefinition(service), implementation);
    }
    this.#health = new Health(services.map(({ service }) => service));
    this.#health.addTo(this.#server);
    addReflection(this.#server, services.map(({ service }) => service));
  }

  /** The addresses that were bound, with the ports that were picked. */
  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  /** Calls that have not ended. */
  get callsInFlight(): number {
    return this.#calls.inFlight;
  }

  /**
   * Serves on every address, or on none.
   * @throws {DaemonError} INVALID_ARGUMENT or FAILED_PRECONDITION, naming the address
   */
  async listen(addresses: readonly Address[]): Promise<void> {
    const { insecure, unixSocket, tls, metrics, limits } = this.#options;
    try {
      this.#addresses = await listen(this.#server, addresses, {
        insecure,
        unixSocket,
        ...(tls ? { tls } : {}),
      });
    } catch (error) {
      this.#server.forceShutdown();
      throw error;
    }
    watchHandshakes(this.#server, metrics);
    if (canPing(Deno.version.deno)) keepAlive(this.#server, limits);
  }

  /** Sets the answer of the health service. */
  setServing(serving: boolean): void {
    this.#health.set(serving);
  }

  /**
   * Stops: no new calls, those under way get `grace` milliseconds and then UNAVAILABLE. Never rejects.
   */
  async stop(grace: number): Promise<void> {
    this.#health.set(false);
    this.#calls.endStreams();
    const closed = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    if (await resolvesWithin(closed, grace, systemClock)) return;
    log.warn("calls still under way after {grace} ms of grace are ended", { grace });
    this.#calls.endAll();
    await resolvesWithin(closed, FLUSH_TIME, systemClock);
    this.#server.forceShutdown();
  }
}

function serverOptions(limits: RpcLimits, calls: Calls): ServerOptions {
  return {
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_send_message_length": limits.maxMessageBytes,
    // Statistics of each call and connection, which nobody is served.
    "grpc.enable_channelz": 0,
    "grpc.max_concurrent_streams": limits.maxConcurrentCalls,
    interceptors: [calls.interceptor],
  };
}
