/**
 * Tells refusals that a retry can cure from others. A request is signed with credentials and a time, and
 * both change while it is under way: keys are rotated, tokens expire, a clock jumps. A request that was
 * refused for credentials or a time that have been replaced since is sent again with the new ones.
 */

import type { S3Client } from "@aws-sdk/client-s3";
import type { CredentialSource } from "./credentials.ts";
import { failureOf, RenewedAccessError, serviceError } from "./s3_errors.ts";

/** A change of the clock's correction that can explain a refusal. Milliseconds. */
const SKEW_MS = 60_000;

/** The state that a request was signed with; it may have been signed with a newer one. */
export interface Signing {
  /** See {@link CredentialSource.version}. */
  credentials: number;
  /** The server's time minus this node's, as the SDK estimates it. Milliseconds. */
  clockOffset: number;
}

/** Explains refusals of one server by the credentials and the clock of the client that signs. */
export class Access {
  readonly #client: S3Client;
  readonly #credentials: CredentialSource;

  constructor(client: S3Client, credentials: CredentialSource) {
    this.#client = client;
    this.#credentials = credentials;
  }

  /** Returns the state that a request sent now is signed with. */
  current(): Signing {
    return {
      credentials: this.#credentials.version,
      clockOffset: this.#client.config.systemClockOffset,
    };
  }

  /**
   * Returns the error to report for `error`, which a request ended in: a retryable
   * {@link RenewedAccessError} where the server refused credentials or a time that have been replaced
   * since the request was signed, otherwise `error` itself. May read the credentials again.
   */
  async explainRefusal(error: unknown, signed: Signing, signal?: AbortSignal): Promise<unknown> {
    const { kind } = failureOf(error, signal);
    const status = serviceError(error)?.status ?? 0;
    if (kind === "aborted" || ![400, 401, 403].includes(status)) return error;
    const what = await this.#replacedSince(signed);
    return what
      ? new RenewedAccessError(`refused with ${what} of before`, { cause: error })
      : error;
  }

  /** Names what has been replaced. The SDK has corrected its clock by the answer's `Date` by now. */
  async #replacedSince({ credentials, clockOffset }: Signing): Promise<string | undefined> {
    const { systemClockOffset } = this.#client.config;
    if (Math.abs(systemClockOffset - clockOffset) >= SKEW_MS) return "the clock";
    return await this.#credentials.renewedSince(credentials) ? "the credentials" : undefined;
  }
}
