/** A connection to a daemon, on which its services are called. */

import "../patches/mod.ts";
import type { Buffer } from "node:buffer";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Client, connectivityState, Metadata, type ServiceError } from "@grpc/grpc-js";
import { formatAddress, parseAddress } from "../address.ts";
import { codeName, detailsIn, encode, methodPath, warningsIn } from "../wire/mod.ts";
import { ClientError, UnreachableError } from "./client_error.ts";
import { channelOptions, type ClientTls, credentials } from "./tls.ts";

/** Where a client connects, and how. */
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
  /** The W3C trace context that the call belongs to, which the daemon's spans then do, too. */
  traceparent?: string;
  /** Receives each warning that the daemon sends with its answer. */
  onWarning?: (message: string) => void;
}

/**
 * Finds the reason in the details of a grpc-js connection failure, which puts it between phrases about
 * name resolution and a timestamp.
 */
const LAST_ERROR =
  /Last error: (?:Error: )?(.+?)(?: \(\d{4}-\d\d-\d\dT[\d:.]+Z\))?\.? Resolution note:/s;

/** Calls methods of any service; a call that fails rejects with a {@link ClientError}. */
export class Connection implements Disposable {
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

  /** Calls a method once. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    const { signal, deadline, traceparent, onWarning = () => {} } = options;
    const metadata = new Metadata();
    if (traceparent !== undefined) metadata.set("traceparent", traceparent);
    const call = this.#client.makeUnaryRequest(
      methodPath(method),
      (message: Message) => encode(method.input, message as MessageShape<I>),
      (bytes: Buffer): Message => fromBinary(method.output, bytes),
      create(method.input, init),
      metadata,
      deadline === undefined ? {} : { deadline: Date.now() + deadline },
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error) reject(this.#failure(error));
        else resolve(response as MessageShape<O>);
      },
    );
    call.on("status", ({ metadata }) => warningsIn(metadata).forEach(onWarning));
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    if (signal?.aborted) cancel();
    return promise;
  }

  /** Closes the connection. */
  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
    return new UnreachableError(code, problem, { address: this.#address, cause: error });
  }
}
