/** The API's messages as proto3 JSON. */

import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { DaemonError, messageOf } from "../errors.ts";
import {
  type GitStatus,
  GitStatusSchema,
  type InitWorkspaceRequest,
  InitWorkspaceRequestSchema,
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

/** Returns a Git status as proto3 JSON, with the fields that have their default value too. */
export function gitStatusToJson(status: GitStatus): JsonValue {
  return toJson(GitStatusSchema, status, { alwaysEmitImplicit: true });
}
