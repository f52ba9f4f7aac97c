/** The API's messages as proto3 JSON. */

import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { DaemonError, messageOf } from "../errors.ts";
import {
  type GetImageResponse,
  GetImageResponseSchema,
  type GetSnapshotResponse,
  GetSnapshotResponseSchema,
  type GitStatus,
  GitStatusSchema,
  type Image,
  ImageSchema,
  type InitWorkspaceRequest,
  InitWorkspaceRequestSchema,
  type Node,
  NodeSchema,
  type Operation,
  OperationSchema,
  type Workspace,
  WorkspaceSchema,
} from "../wire/mod.ts";

/**
 * Reads an InitWorkspace request from its proto3 JSON form.
 * @throws {DaemonError} INVALID_ARGUMENT naming the field that cannot be read.
 */
export function initRequestFromJson(json: unknown): InitWorkspaceRequest {
  try {
    return fromJson(InitWorkspaceRequestSchema, json as JsonValue);
  } catch (error) {
    const problem = `Cannot read the request as InitWorkspaceRequest: ${messageOf(error)}`;
    throw new DaemonError("INVALID_ARGUMENT", problem, { cause: error });
  }
}

/** Returns a workspace as proto3 JSON, with the fields that have their default value too. */
export function workspaceToJson(workspace: Workspace): JsonValue {
  return toJson(WorkspaceSchema, workspace, { alwaysEmitImplicit: true });
}

/** Returns a node as proto3 JSON, with the fields that have their default value too. */
export function nodeToJson(node: Node): JsonValue {
  return toJson(NodeSchema, node, { alwaysEmitImplicit: true });
}

/** Returns an operation as proto3 JSON, with the fields that have their default value too. */
export function operationToJson(operation: Operation): JsonValue {
  return toJson(OperationSchema, operation, { alwaysEmitImplicit: true });
}

/** Returns an image as proto3 JSON, with the fields that have their default value too. */
export function imageToJson(image: Image): JsonValue {
  return toJson(ImageSchema, image, { alwaysEmitImplicit: true });
}

/** Returns an image and what it takes as proto3 JSON, in the same way. */
export function imageDetailsToJson(found: GetImageResponse): JsonValue {
  return toJson(GetImageResponseSchema, found, { alwaysEmitImplicit: true });
}

/** Returns a snapshot's status as proto3 JSON, with the fields that have their default value too. */
export function snapshotToJson(snapshot: GetSnapshotResponse): JsonValue {
  return toJson(GetSnapshotResponseSchema, snapshot, { alwaysEmitImplicit: true });
}

/** Returns a Git status as proto3 JSON, with the fields that have their default value too. */
export function gitStatusToJson(status: GitStatus): JsonValue {
  return toJson(GitStatusSchema, status, { alwaysEmitImplicit: true });
}
