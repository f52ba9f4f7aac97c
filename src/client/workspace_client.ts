/** The client of the API: one method for each call. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type DisposeWorkspaceRequestSchema,
  type GitStatus,
  type InitWorkspaceRequestSchema,
  WorkspaceContentService,
} from "../wire/mod.ts";
import { type CallOptions, type ClientOptions, Connection } from "./connection.ts";
import { OperationsClient } from "./operations_client.ts";

/** The fields of an InitWorkspace request; those that are absent have their default value. */
export type InitWorkspaceInit = MessageInitShape<typeof InitWorkspaceRequestSchema>;

const { method } = WorkspaceContentService;

/**
 * Calls a daemon: one method for each call of the API. A call that fails rejects with a
 * {@link ClientError} that has the code of the gRPC status: UNAVAILABLE as an {@link UnreachableError}
 * where no connection could be made, DEADLINE_EXCEEDED after `deadline`, CANCELLED after `signal`,
 * INVALID_ARGUMENT for a field that the daemon refuses. The other codes of each call are in
 * `docs/api.md`. Nothing is retried.
 */
export class WorkspaceClient implements Disposable {
  readonly #connection: Connection;
  /** The calls of operators, on the same connection. */
  readonly operations: OperationsClient;

  /** Connects with the first call. @throws {DaemonError} INVALID_ARGUMENT for a malformed address. */
  constructor(options: ClientOptions) {
    this.#connection = new Connection(options);
    this.operations = new OperationsClient(this.#connection);
  }

  /**
   * Creates a workspace and fills it; resolves once its content is whole and durable. An accepted
   * initialisation goes on in the daemon when a deadline or signal ends this call.
   */
  async initWorkspace(request: InitWorkspaceInit, options?: CallOptions): Promise<void> {
    await this.#connection.call(method.initWorkspace, request, options);
  }

  /**
   * Resolves once the workspace is initialised. Rejects with NOT_FOUND for an unknown workspace, and
   * with FAILED_PRECONDITION where none is going on or the one waited for fails. A deadline ends the
   * wait, not the initialisation.
   */
  async waitForInit(id: string, options?: CallOptions): Promise<void> {
    await this.#connection.call(method.waitForInit, { id }, options);
  }

  /** Resolves to whether the daemon knows the workspace, in whatever state. */
  async isWorkspaceExists(id: string, options?: CallOptions): Promise<boolean> {
    return (await this.#connection.call(method.isWorkspaceExists, { id }, options)).exists;
  }

  /**
   * Stores a snapshot and resolves to its url once it is durable in the store. With
   * `returnImmediately` it resolves once the daemon's journal has the snapshot, which the daemon then
   * finishes even across restarts; until then the url cannot be restored.
   */
  async takeSnapshot(
    request: { id: string; returnImmediately?: boolean },
    options?: CallOptions,
  ): Promise<string> {
    return (await this.#connection.call(method.takeSnapshot, request, options)).url;
  }

  /**
   * Replaces the backup of the workspace's owner and meta_id; resolves to its url once it is durable
   * in the store. After a failure the previous backup stands.
   */
  async backupWorkspace(id: string, options?: CallOptions): Promise<string> {
    return (await this.#connection.call(method.backupWorkspace, { id }, options)).url;
  }

  /**
   * Deletes a workspace, after a final backup where the request asks for one. Resolves to the Git
   * status from just before, or `undefined` where it has no checkout. If the backup fails, the
   * workspace stays.
   */
  async disposeWorkspace(
    request: MessageInitShape<typeof DisposeWorkspaceRequestSchema>,
    options?: CallOptions,
  ): Promise<GitStatus | undefined> {
    return (await this.#connection.call(method.disposeWorkspace, request, options)).gitStatus;
  }

  /** Closes the connection. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
