/** Failures of calls, as the client reports them. */

/** A call that failed. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** The name of its gRPC status code, such as "NOT_FOUND". */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A call that failed because no connection to the daemon could be made. */
export class UnreachableError extends ClientError {}
