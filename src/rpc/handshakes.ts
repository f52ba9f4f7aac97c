/** TLS handshakes that fail: they never become calls, so nothing else tells of them. */

import type { EventEmitter } from "node:events";
import type { Server } from "@grpc/grpc-js";
import { logger } from "../log/mod.ts";
import type { HandshakeFailure, RpcMetrics } from "./rpc_metrics.ts";

const log = logger("rpc");

/** What failures mean, by the runtime's words for them. */
const FAILURES: readonly [pattern: RegExp, kind: HandshakeFailure, words: string][] = [
  [
    /sent no certificates/,
    "no_certificate",
    "it showed no certificate, and tls.clientCa wants one",
  ],
  [/InvalidContentType|wrong version/, "not_tls", "it does not speak TLS"],
  [
    /fatal alert|alert (unknown|bad|certificate)/i,
    "refused_by_client",
    "it does not accept this node's certificate",
  ],
  [
    /UnknownIssuer|invalid peer certificate|certificate verify/i,
    "bad_certificate",
    "its certificate cannot be accepted",
  ],
  [
    /hang up|ECONNRESET|end of file|eof/i,
    "closed",
    "the connection was closed: its certificate was refused, or it gave up (as a port scan does)",
  ],
];

/** Milliseconds in which one failure of a kind is logged; all are counted. */
const LOG_INTERVAL = 10_000;

/** A socket of a handshake, which knows its address by the one below it alone. */
interface TlsSocket {
  _parent?: { remoteAddress?: string; remotePort?: number };
}

/** Logs and counts failed handshakes of a server that is bound. */
export function watchHandshakes(server: Server, metrics: RpcMetrics): void {
  const logged = new Map<HandshakeFailure, { at: number; kept: number }>();
  // grpc-js passes errors of its listeners on to nobody.
  const listeners: Map<EventEmitter, unknown> = Reflect.get(server, "http2Servers");
  for (const listener of listeners.keys()) {
    listener.on("tlsClientError", (error: Error, socket: TlsSocket) => {
      const known = FAILURES.find(([pattern]) => pattern.test(error.message));
      const [, kind, words] = known ?? [/./, "other", error.message] as const;
      metrics.handshakeFailed(kind);
      const now = performance.now();
      const last = logged.get(kind);
      if (last && now - last.at < LOG_INTERVAL) return void last.kept++;
      logged.set(kind, { at: now, kept: 0 });
      const { remoteAddress = "unknown", remotePort = 0 } = socket._parent ?? {};
      log.warn("A TLS handshake with {peer} failed: {words}{more}", {
        peer: `${remoteAddress}:${remotePort}`,
        words,
        kind,
        more: last && last.kept > 0 ? `; and ${last.kept} more since then` : "",
      });
    });
  }
}
