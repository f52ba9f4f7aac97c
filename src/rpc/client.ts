/** A client of the API, for the command line and for tests. */

import "../patches/mod.ts";
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  Client,
  connectivityState,
  credentials as channelCredentials,
  type ServiceError,
} from "@grpc/grpc-js";
import { DaemonError, messageOf } from "../errors.ts";
import { type Address, formatAddress, parseAddress } from "../address.ts";
import type { GitStatus } from "./gen/content-service-api/initializer_pb.ts";
import {
  type DisposeWorkspaceRequestSchema,
  type InitWorkspaceRequest,
  InitWorkspaceRequestSchema,
  WorkspaceContentService,
} from "./gen/daemon_pb.ts";
import { codeName } from "./status.ts";
import { encode, methodPath } from "./unary.ts";
import { warningsIn } from "./warnings.ts";

export type { GitStatus, InitWorkspaceRequest };
export type InitWorkspaceInit = MessageInitShape<typeof InitWorkspaceRequestSchema>;

/** PEM files' content. */
export interface ClientTls {
  /** Authorities to trust; the system's where absent. */
  ca?: Uint8Array;
  /** The client's own certificate and key, for mTLS. */
  cert?: Uint8Array;
  key?: Uint8Array;
  /** The name to expect in the server's certificate, where it is not the address' host. */
  serverName?: string;
}

export interface ClientOptions {
  /** `HOST:PORT` or `unix:///path`. */
  address: string;
  /** Absent for a connection in the clear. */
  tls?: ClientTls;
}

export interface CallOptions {
  /** Milliseconds from now until the call fails with DEADLINE_EXCEEDED; none if absent. */
  deadline?: number;
  /** Cancels the call. */
  signal?: AbortSignal;
  /** Told the warnings that come with an answer. */
  onWarning?: (message: string) => void;
}

/** A call that failed, with the name of its gRPC code. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Nobody could be connected to. */
export class UnreachableError extends ClientError {}

/** What grpc-js wraps the reason in, with a time that says nothing. */
const LAST_ERROR =
  /Last error: (?:Error: )?(.+?)(?: \(\d{4}-\d\d-\d\dT[\d:.]+Z\))?\.? Resolution note:/s;

type Methods = typeof WorkspaceContentService["method"];

/** The six calls. All of them reject with a {@link ClientError}. */
export class WorkspaceClient implements Disposable {
  readonly #client: Client;
  readonly #address: string;

  /** Connects with the first call. @throws {DaemonError} INVALID_ARGUMENT for a malformed address. */
  constructor(options: ClientOptions) {
    const address = parseAddress(options.address);
    this.#address = formatAddress(address);
    this.#client = new Client(this.#address, credentials(address, options.tls), {
      // The daemon is on this node or next to it: proxies are for the world outside.
      "grpc.enable_http_proxy": 0,
      ...(options.tls ? { "grpc.ssl_target_name_override": sentName(address, options.tls) } : {}),
    });
  }

  async initWorkspace(request: InitWorkspaceInit, options?: CallOptions): Promise<void> {
    await this.#call("initWorkspace", request, options);
  }

  async waitForInit(id: string, options?: CallOptions): Promise<void> {
    await this.#call("waitForInit", { id }, options);
  }

  async isWorkspaceExists(id: string, options?: CallOptions): Promise<boolean> {
    return (await this.#call("isWorkspaceExists", { id }, options)).exists;
  }

  /** Resolves to the snapshot's url. */
  async takeSnapshot(
    request: { id: string; returnImmediately?: boolean },
    options?: CallOptions,
  ): Promise<string> {
    return (await this.#call("takeSnapshot", request, options)).url;
  }

  /** Resolves to the backup's url. */
  async backupWorkspace(id: string, options?: CallOptions): Promise<string> {
    return (await this.#call("backupWorkspace", { id }, options)).url;
  }

  /** Resolves to the Git status, where the workspace had one. */
  async disposeWorkspace(
    request: MessageInitShape<typeof DisposeWorkspaceRequestSchema>,
    options?: CallOptions,
  ): Promise<GitStatus | undefined> {
    return (await this.#call("disposeWorkspace", request, options)).gitStatus;
  }

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
      return new ClientError(code, error.details, { cause: error });
    }
    const reason = LAST_ERROR.exec(error.details)?.[1] ?? error.details;
    const problem = `Cannot reach a daemon at ${this.#address}: ${reason}`;
    return new UnreachableError(code, problem, { cause: error });
  }
}

/**
 * An InitWorkspace request from its proto3 JSON form.
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

function credentials(address: Address, tls: ClientTls | undefined): ChannelCredentials {
  if (!tls) return channelCredentials.createInsecure();
  const part = (bytes?: Uint8Array) => bytes ? Buffer.from(bytes) : null;
  const expected = expectedName(address, tls);
  return channelCredentials.createSsl(part(tls.ca), part(tls.key), part(tls.cert), {
    checkServerIdentity: (_sent, certificate) => checkServerIdentity(expected, certificate),
  });
}

/** What the server's certificate must be for. */
function expectedName(address: Address, tls: ClientTls): string {
  return tls.serverName ?? (address.kind === "tcp" ? address.host : "localhost");
}

/** The name to ask the server for, which TLS does not allow to be an IP address. */
function sentName(address: Address, tls: ClientTls): string {
  const expected = expectedName(address, tls);
  return isIP(expected) === 0 ? expected : "localhost";
}
