/**
 * What a request is signed with: credentials and a clock. Both change under way: keys are rotated,
 * tokens expire, a clock jumps. A refusal of what has been replaced since is no refusal: the same
 * request is sent again with what is there now.
 */

import type { S3Client } from "@aws-sdk/client-s3";
import type { CredentialSource } from "./credentials.ts";
import { failureOf, RenewedAccessError, serviceError } from "./s3_errors.ts";

/** How far the clock's correction must have moved to be the reason of a refusal; milliseconds. */
const SKEW_MS = 60_000;

/** What a request was signed with, or with something newer. */
export interface Signing {
  credentials: number;
  /** What the SDK adds to our clock for the server's; milliseconds. */
  clockOffset: number;
}

/** Access to one server, by the client that signs. */
export class Access {
  readonly #client: S3Client;
  readonly #credentials: CredentialSource;

  constructor(client: S3Client, credentials: CredentialSource) {
    this.#client = client;
    this.#credentials = credentials;
  }

  /** Returns what a request that is sent now is signed with. */
  current(): Signing {
    return {
      credentials: this.#credentials.version,
      clockOffset: this.#client.config.systemClockOffset,
    };
  }

  /**
   * Returns the error to report for one that a request ended in: a refusal of what has been replaced
   * since it was signed is one that passes.
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

  /** The SDK has compared the clocks by the `Date` of the answer. */
  async #replacedSince({ credentials, clockOffset }: Signing): Promise<string | undefined> {
    const { systemClockOffset } = this.#client.config;
    if (Math.abs(systemClockOffset - clockOffset) >= SKEW_MS) return "the clock";
    return await this.#credentials.renewedSince(credentials) ? "the credentials" : undefined;
  }
}
