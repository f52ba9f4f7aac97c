/** Sends requests to one S3 server, bounded in number, and retries them. */

import { S3Client } from "@aws-sdk/client-s3";
import { abortable } from "@std/async";
import { type Backoff, Semaphore } from "../../async/mod.ts";
import type { Clock } from "../../clock.ts";
import { readAuthorities } from "../../certificates.ts";
import type { StoreOptions } from "../object_store.ts";
import { checkAnswers } from "./check_answers.ts";
import { Access } from "./access.ts";
import { CredentialSource } from "./credentials.ts";
import { type Failure, type FailureKind, failureOf } from "./s3_errors.ts";
import { EtagCheck } from "./etag_check.ts";
import { closedError } from "./http/pool.ts";
import { ProgressHandler, type TrafficObserver } from "./http_handler.ts";
import type { S3Options, S3Tuning } from "./options.ts";
import { newBackoff, type S3RetryOptions, withRetries } from "./retry.ts";

/** Receives what happens on the way to the server, for the metrics. */
export interface S3Observer extends TrafficObserver {
  onFailure(failure: Failure): void;
  onRetry(failure: Failure, error: unknown): void;
}

/** Failures that the metrics do not count as errors of the server. */
const NO_ERRORS: readonly FailureKind[] = ["aborted", "local", "missing"];

/** How a {@link Connection} reaches a server, and what it reports to. */
export interface ConnectionOptions {
  storage: S3Options;
  tuning: S3Tuning;
  clock: Clock;
  /** Times silence on the wire; the system's clock unless given. */
  wireClock?: Clock | undefined;
  observer: S3Observer;
  /** Resolves to whether the server's ETags are MD5s, found out by requests on that connection. */
  probeEtags(connection: Connection, options: StoreOptions): Promise<boolean>;
}

/** Sends one request by the SDK, without retries. */
export type Send<T> = (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>;

/** A configured client of one S3 server, with bounded, retried requests. The owner closes it. */
export class Connection {
  readonly tuning: S3Tuning;
  /** Whether this server's ETags prove what was uploaded. */
  readonly etags: EtagCheck;
  readonly #client: S3Client;
  readonly #access: Access;
  readonly #handler: ProgressHandler;
  readonly #limiter: Semaphore;
  readonly #clock: Clock;
  readonly #observer: S3Observer;
  /** Ends delays between attempts when the connection is closed. */
  readonly #closed = new AbortController();

  private constructor(
    client: S3Client,
    access: Access,
    handler: ProgressHandler,
    options: ConnectionOptions,
  ) {
    this.#access = access;
    this.tuning = options.tuning;
    const areMd5 = options.storage.serverSideEncryption === "aws:kms" ? false : undefined;
    this.etags = new EtagCheck(areMd5, (probeOptions) => options.probeEtags(this, probeOptions));
    this.#client = client;
    this.#handler = handler;
    this.#limiter = new Semaphore(options.tuning.connections);
    this.#clock = options.clock;
    this.#observer = options.observer;
  }

  /** Prepares a client; nothing is sent yet. @throws {DaemonError} FAILED_PRECONDITION for a bad option */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { storage, tuning, observer } = options;
    const ca = storage.caFile === undefined
      ? undefined
      : readAuthorities(storage.caFile, "storage.caFile");
    const handler = new ProgressHandler({
      stallMs: tuning.stallMs,
      workMs: tuning.workMs,
      slowestRate: tuning.slowestRate,
      observer,
      clock: options.wireClock,
      secure: new URL(storage.endpoint).protocol === "https:",
      ca,
    });
    const credentials = await CredentialSource.open(storage);
    const client = newClient(storage, credentials, handler);
    return new Connection(client, new Access(client, credentials), handler, options);
  }

  /** Sends a request with retries; every attempt waits for one of `tuning.connections` permits. */
  async request<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    return await withRetries(() => this.once(send, options), this.#retryOptions(options));
  }

  /** Makes one attempt at a request, once it has a permit. */
  async once<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    using _permit = await this.#limiter.acquire(options.signal);
    return await this.#attempt(send, options);
  }

  /**
   * Sends a request with few retries, so that who asks hears soon what is wrong, and without permits:
   * whether the store answers must not wait for others.
   */
  async probe<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    const retries = this.#retryOptions(options);
    const attempts = Math.min(PROBE_ATTEMPTS, retries.tuning.attempts);
    return await withRetries(() => this.#attempt(send, options), {
      ...retries,
      tuning: { ...retries.tuning, attempts },
    });
  }

  /** Makes one attempt. Its exchange ends with it, whatever the SDK leaves unread. */
  async #attempt<T>(send: Send<T>, { signal }: StoreOptions): Promise<T> {
    const attempt = new AbortController();
    const abortSignal = AbortSignal.any([attempt.signal, ...signal ? [signal] : []]);
    const sent = this.#send((client) => send(client, { abortSignal }), signal);
    try {
      return await (signal ? abortable(sent, signal) : sent);
    } finally {
      attempt.abort(new Error("the attempt is over"));
    }
  }

  async #send<T>(
    send: (client: S3Client) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const signed = this.#access.current();
    try {
      return await send(this.#client);
    } catch (thrown) {
      const error = await this.#access.explainRefusal(thrown, signed, signal);
      const failure = failureOf(error, signal);
      // A missing object is often the answer to the question whether there is one.
      if (!NO_ERRORS.includes(failure.kind)) this.#observer.onFailure(failure);
      throw error;
    }
  }

  /** Returns a back-off for work that retries by itself, because it can resume. */
  attempts(options: StoreOptions): Backoff {
    return newBackoff(this.#retryOptions(options));
  }

  /** Retries work of more than one request. */
  async retrying<T>(attempt: () => Promise<T>, options: StoreOptions): Promise<T> {
    return await withRetries(attempt, this.#retryOptions(options));
  }

  /** Returns the server's time, by the `Date` of its last answer. Milliseconds since the epoch. */
  now(): number {
    return this.#clock.now() + this.#client.config.systemClockOffset;
  }

  /** The clock that delays are timed by. */
  get clock(): Clock {
    return this.#clock;
  }

  /** Closes all connections; requests that are running or wait for another attempt fail. */
  close(): void {
    this.#client.destroy();
    this.#handler.destroy();
    this.#closed.abort(closedError());
  }

  #retryOptions({ signal }: StoreOptions): S3RetryOptions {
    return {
      tuning: this.tuning,
      clock: this.#clock,
      onRetry: (failure, error) => this.#observer.onRetry(failure, error),
      signal: AbortSignal.any([this.#closed.signal, ...signal ? [signal] : []]),
    };
  }
}

/** Attempts at a probe: with the delays between them, less than the 7 s that readiness waits. */
const PROBE_ATTEMPTS = 5;

/** Silences the SDK, which would warn on the console of each stream that it cannot retry. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Makes the SDK's client. Every setting is given, so that neither the environment nor a file in a home
 * folder changes anything, and the process needs no permission to read them. Checksums are Content-MD5
 * and a signed SHA-256, which every server knows, instead of the SDK's CRC32 trailers, which many refuse.
 * Retries are {@link Connection}'s.
 */
function newClient(
  storage: S3Options,
  credentials: CredentialSource,
  handler: ProgressHandler,
): S3Client {
  const { endpoint, region, forcePathStyle = false } = storage;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle,
    credentials: credentials.provide,
    requestHandler: handler,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    maxAttempts: 1,
    logger: SILENT,
    retryMode: "standard",
    defaultsMode: "standard",
    authSchemePreference: [],
    disableClockSkewCorrection: false,
    disableMultiregionAccessPoints: true,
    disableS3ExpressSessionAuth: true,
    followRegionRedirects: false,
    sigv4aSigningRegionSet: [region],
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    userAgentAppId: () => Promise.resolve(undefined),
    defaultUserAgentProvider: () => Promise.resolve([["wsdaemon", "1"]]),
  });
  checkAnswers(client);
  return client;
}
