/** The client of the API: one method for each call. */

import "../patches/mod.ts";
import type { Buffer } from "node:buffer";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Client, connectivityState, type ServiceError } from "@grpc/grpc-js";
import { formatAddress, parseAddress } from "../address.ts";
import {
  codeName,
  detailsIn,
  type DisposeWorkspaceRequestSchema,
  encode,
  type GitStatus,
  type InitWorkspaceRequestSchema,
  methodPath,
  warningsIn,
  WorkspaceContentService,
} from "../wire/mod.ts";
import { ClientError, UnreachableError } from "./client_error.ts";
import { channelOptions, type ClientTls, credentials } from "./tls.ts";

/** The fields of an InitWorkspace request; those that are absent have their default value. */
export type InitWorkspaceInit = MessageInitShape<typeof InitWorkspaceRequestSchema>;

/** Where a {@link WorkspaceClient} connects, and how. */
export interface ClientOptions {
  /** `HOST:PORT` or `unix:///path`. */
  address: string;
  /** Absent for a connection in the clear. */
  tls?: ClientTls;
}

/** How one call is made. */
export interface CallOptions {
  /** Milliseconds from now until the call fails with DEADLINE_EXCEEDED; none if absent. */
  deadline?: number;
  /** Cancels the call. */
  signal?: AbortSignal;
  /** Receives each warning that the daemon sends with its answer. */
  onWarning?: (message: string) => void;
}

/**
 * Finds the reason in the details of a grpc-js connection failure, which puts it between phrases about
 * name resolution and a timestamp.
 */
const LAST_ERROR =
  /Last error: (?:Error: )?(.+?)(?: \(\d{4}-\d\d-\d\dT[\d:.]+Z\))?\.? Resolution note:/s;

type Methods = typeof WorkspaceContentService["method"];

/**
 * Calls a daemon: one method for each call of the API. A call that fails rejects with a
 * {@link ClientError} that has the code of the gRPC status: UNAVAILABLE as an {@link UnreachableError}
 * where no connection could be made, DEADLINE_EXCEEDED after `deadline`, CANCELLED after `signal`,
 * INVALID_ARGUMENT for a field that the daemon refuses. The other codes of each call are in
 * `docs/api.md`. Nothing is retried.
 */
export class WorkspaceClient implements Disposable {
  readonly #client: Client;
  readonly #address: string;

  /** Connects with the first call. @throws {DaemonError} INVALID_ARGUMENT for a malformed address. */
  constructor(options: ClientOptions) {
    const address = parseAddress(options.address);
    this.#address = formatAddress(address);
    const { tls } = options;
    this.#client = new Client(
      this.#address,
      credentials(address, tls),
      channelOptions(address, tls),
    );
  }

  /**
   * Creates a workspace and fills it; resolves once its content is whole and durable. An accepted
   * initialisation goes on in the daemon when a deadline or signal ends this call.
   */
  async initWorkspace(request: InitWorkspaceInit, options?: CallOptions): Promise<void> {
    await this.#call("initWorkspace", request, options);
  }

  /**
   * Resolves once the workspace is initialised. Rejects with NOT_FOUND for an unknown workspace, and
   * with FAILED_PRECONDITION where none is going on or the one waited for fails. A deadline ends the
   * wait, not the initialisation.
   */
  async waitForInit(id: string, options?: CallOptions): Promise<void> {
    await this.#call("waitForInit", { id }, options);
  }

  /** Resolves to whether the daemon knows the workspace, in whatever state. */
  async isWorkspaceExists(id: string, options?: CallOptions): Promise<boolean> {
    return (await this.#call("isWorkspaceExists", { id }, options)).exists;
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
    return (await this.#call("takeSnapshot", request, options)).url;
  }

  /**
   * Replaces the backup of the workspace's owner and meta_id; resolves to its url once it is durable
   * in the store. After a failure the previous backup stands.
   */
  async backupWorkspace(id: string, options?: CallOptions): Promise<string> {
    return (await this.#call("backupWorkspace", { id }, options)).url;
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
    return (await this.#call("disposeWorkspace", request, options)).gitStatus;
  }

  /** Closes the connection. */
  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #call<N extends keyof Methods>(
    name: N,
    init: MessageInitShape<Methods[N]["input"]>,
    options: CallOptions = {},
  ): Promise<MessageShape<Methods[N]["output"]>> {
    const method: DescMethod = WorkspaceContentService.method[name];
    const { promise, resolve, reject } = Promise.withResolvers<
      MessageShape<Methods[N]["output"]>
    >();
    const { signal, deadline, onWarning = () => {} } = options;
    const call = this.#client.makeUnaryRequest(
      methodPath(method),
      (message: Message) => encode(method.input, message),
      (bytes: Buffer): Message => fromBinary(method.output, bytes),
      create(method.input, init as MessageInitShape<DescMessage>),
      deadline === undefined ? {} : { deadline: Date.now() + deadline },
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error) reject(this.#failure(error));
        else resolve(response as MessageShape<Methods[N]["output"]>);
      },
    );
    call.on("status", ({ metadata }) => warningsIn(metadata).forEach(onWarning));
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    if (signal?.aborted) cancel();
    return promise;
  }

  #failure(error: ServiceError): ClientError {
    const state = this.#client.getChannel().getConnectivityState(false);
    const code = codeName(error.code);
    if (code !== "UNAVAILABLE" || state !== connectivityState.TRANSIENT_FAILURE) {
      const details = detailsIn(error.metadata);
      return new ClientError(code, error.details, { cause: error, details });
    }
    const reason = LAST_ERROR.exec(error.details)?.[1] ?? error.details;
    const problem = `Cannot reach a daemon at ${this.#address}: ${reason}`;
    return new UnreachableError(code, problem, { cause: error });
  }
}
