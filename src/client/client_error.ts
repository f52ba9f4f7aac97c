/** Failures of calls, as the client reports them. */

import type { ErrorDetails } from "../wire/mod.ts";

/** Options of a {@link ClientError}. */
export interface ClientErrorOptions extends ErrorOptions {
  details?: ErrorDetails | undefined;
}

/** A call that failed. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** The name of its gRPC status code, such as "NOT_FOUND". */
  readonly code: string;

  /** The reason, as `docs/api.md` lists it; `undefined` where no daemon of this kind answered. */
  readonly reason: string | undefined;
  /** Everything that the daemon says of the failure to programs. */
  readonly details: ErrorDetails | undefined;

  constructor(code: string, message: string, options?: ClientErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = options?.details;
    this.reason = this.details?.reason;
  }
}

/** A call that failed because no connection to the daemon could be made. */
export class UnreachableError extends ClientError {
  /** The daemon's address. */
  readonly address: string;

  constructor(
    code: string,
    message: string,
    { address, cause }: ErrorOptions & { address: string },
  ) {
    super(code, message, { cause });
    this.address = address;
  }
}
