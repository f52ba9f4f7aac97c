/** Translates the wire's requests into the daemon's own terms, and refuses malformed ones. */

import { invalid } from "../errors.ts";
import { type InitRequest, workspaceIdProblem } from "../workspace/mod.ts";
import type { DisposeWorkspaceRequest, InitWorkspaceRequest } from "../wire/mod.ts";
import { parseInitializer } from "./parse_initializer.ts";

const NAME = /^[A-Za-z0-9._@:+=-]{1,256}$/;

/**
 * Checks a workspace's id: 1 to 128 of `A-Za-z0-9._-`, a letter or digit first, no `..`.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function parseId(id: string): string {
  if (id === "") throw invalid("id", "must not be empty");
  const problem = workspaceIdProblem(id);
  if (problem !== undefined) throw invalid("id", `${problem}: it is ${quote(id)}`);
  return id;
}

/** Parses an InitWorkspace request. @throws {DaemonError} INVALID_ARGUMENT naming the field */
export function parseInit(request: InitWorkspaceRequest): InitRequest {
  const id = parseId(request.id);
  if (!request.metadata) throw invalid("metadata", "must be set: its owner and meta_id are needed");
  const owner = parseName(request.metadata.owner, "metadata.owner");
  const metaId = parseName(request.metadata.metaId, "metadata.meta_id");
  if (request.storageQuotaBytes < 0n) {
    const problem = `must not be negative: it is ${request.storageQuotaBytes}`;
    throw invalid("storage_quota_bytes", problem);
  }
  return {
    id,
    owner,
    metaId,
    initializer: parseInitializer(request.initializer, "initializer"),
    remoteStorageDisabled: request.remoteStorageDisabled,
    storageQuotaBytes: request.storageQuotaBytes,
  };
}

/** Parses a DisposeWorkspace request. @throws {DaemonError} INVALID_ARGUMENT */
export function parseDispose(
  request: DisposeWorkspaceRequest,
): { id: string; backup: boolean; backupLogs: boolean } {
  return { id: parseId(request.id), backup: request.backup, backupLogs: request.backupLogs };
}

/** Checks an owner or meta_id: 1 to 256 of `A-Za-z0-9._@:+=-`, not `.` or `..`. */
export function parseName(name: string, path: string): string {
  if (name === "") throw invalid(path, "must not be empty");
  if (!NAME.test(name)) {
    throw invalid(path, `must be 1 to 256 characters of A-Za-z0-9._@:+=-: it is ${quote(name)}`);
  }
  if (name === "." || name === "..") throw invalid(path, `must not be ${quote(name)}`);
  return name;
}

/** Returns a caller's text as a message may hold it: in one line, and not too long. */
function quote(text: string): string {
  if (text.length <= 80) return JSON.stringify(text);
  return `${JSON.stringify(`${text.slice(0, 80)}...`)} (${text.length} characters)`;
}
