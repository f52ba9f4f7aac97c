/** A client of the API over gRPC, for the command line and for tests. It does not load the server. */

export { ClientError, type ClientErrorOptions, UnreachableError } from "./client_error.ts";
export {
  gitStatusToJson,
  imageDetailsToJson,
  imageToJson,
  initRequestFromJson,
  nodeToJson,
  operationToJson,
  snapshotToJson,
  workspaceToJson,
} from "./json.ts";
export type { ClientTls } from "./tls.ts";
export { type Answer, whatAnswers } from "./what_answers.ts";
export type { CallOptions, ClientOptions } from "./connection.ts";
export type { OperationsClient } from "./operations_client.ts";
export { type InitWorkspaceInit, WorkspaceClient } from "./workspace_client.ts";
export type { ErrorDetails, GitStatus, InitWorkspaceRequest } from "../wire/mod.ts";
