/**
 * The gRPC server: the API, health and reflection, on every listener. Handlers parse, call and map, and
 * nothing else; one mapper turns errors into statuses.
 */

export { type RpcServer, startRpc } from "./server.ts";
export type { TlsMaterial } from "./tls.ts";
