/** A configured client of one S3 server, with bounded, retried requests. */

import { S3Client } from "@aws-sdk/client-s3";
import { abortable } from "@std/async";
import { type Backoff, Semaphore } from "../../async/mod.ts";
import type { Clock } from "../../clock.ts";
import { DaemonError, messageOf } from "../../errors.ts";
import type { StoreOptions } from "../object_store.ts";
import { judgeAnswers } from "./answers.ts";
import { Access } from "./access.ts";
import { CredentialSource } from "./credentials.ts";
import { type Failure, type FailureKind, failureOf } from "./s3_errors.ts";
import { areEtagsMd5 } from "./etag_probe.ts";
import { EtagCheck } from "./etags.ts";
import { closedError } from "./http/pool.ts";
import { ProgressHandler, type TrafficObserver } from "./http_handler.ts";
import type { S3Options, S3Tuning } from "./options.ts";
import { newBackoff, type S3RetryOptions, withRetries } from "./retry.ts";
import { targetFor } from "./target.ts";

/** What happens on the way to the server, for the metrics. */
export interface S3Observer extends TrafficObserver {
  onFailure(failure: Failure): void;
  onRetry(failure: Failure, error: unknown): void;
}

const NO_ERRORS: readonly FailureKind[] = ["aborted", "local", "missing"];

export interface ConnectionOptions {
  storage: S3Options;
  tuning: S3Tuning;
  clock: Clock;
  /** Times silence on the wire; the machine's clock unless given. */
  wireClock?: Clock;
  observer: S3Observer;
}

/** Sends one request by the SDK, once. */
export type Send<T> = (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>;

export class Connection {
  readonly tuning: S3Tuning;
  /** What ETags tell of uploads to this server. */
  readonly etags: EtagCheck;
  readonly #client: S3Client;
  readonly #access: Access;
  readonly #handler: ProgressHandler;
  readonly #limiter: Semaphore;
  readonly #clock: Clock;
  readonly #observer: S3Observer;
  /** Ends what waits between attempts. */
  readonly #closed = new AbortController();

  private constructor(
    client: S3Client,
    access: Access,
    handler: ProgressHandler,
    options: ConnectionOptions,
  ) {
    this.#access = access;
    this.tuning = options.tuning;
    const { storage } = options;
    const areMd5 = storage.serverSideEncryption === "aws:kms" ? false : undefined;
    this.etags = new EtagCheck(areMd5, (options) => {
      const target = targetFor(storage, `objects/etag-probe/${crypto.randomUUID()}`);
      return areEtagsMd5(this, target, options);
    });
    this.#client = client;
    this.#handler = handler;
    this.#limiter = new Semaphore(options.tuning.connections);
    this.#clock = options.clock;
    this.#observer = options.observer;
  }

  /** @throws {DaemonError} FAILED_PRECONDITION where the options cannot work. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { storage, tuning, observer } = options;
    const ca = storage.caFile === undefined ? undefined : await readCa(storage.caFile);
    const handler = new ProgressHandler({
      stallMs: tuning.stallMs,
      workMs: tuning.workMs,
      slowestRate: tuning.slowestRate,
      observer,
      ...(options.wireClock ? { clock: options.wireClock } : {}),
      secure: new URL(storage.endpoint).protocol === "https:",
      ...(ca === undefined ? {} : { ca }),
    });
    const credentials = await CredentialSource.open(storage);
    const client = newClient(storage, credentials, handler);
    return new Connection(client, new Access(client, credentials), handler, options);
  }

  /** Sends a request until it succeeds or fails for good; every attempt waits for its turn. */
  async request<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    return await withRetries(() => this.once(send, options), this.#retryOptions(options));
  }

  /** Makes one attempt at a request, when it is its turn. */
  async once<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    using _permit = await this.#limiter.acquire(options.signal);
    return await this.#attempt(send, options);
  }

  /** Makes one attempt at a request that waits for no other: it asks whether the store answers. */
  async probe<T>(send: Send<T>, options: StoreOptions): Promise<T> {
    return await withRetries(() => this.#attempt(send, options), this.#retryOptions(options));
  }

  /** No exchange outlives its attempt, whatever the SDK leaves unread or still waits for. */
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
      const error = await this.#access.judge(thrown, signed, signal);
      const failure = failureOf(error, signal);
      // That something is not there is often all that was asked.
      if (!NO_ERRORS.includes(failure.kind)) this.#observer.onFailure(failure);
      throw error;
    }
  }

  /** For work that retries by itself because it can go on from where it broke. */
  attempts(options: StoreOptions): Backoff {
    return newBackoff(this.#retryOptions(options));
  }

  /** Retries something that is more than one request. */
  async retrying<T>(attempt: () => Promise<T>, options: StoreOptions): Promise<T> {
    return await withRetries(attempt, this.#retryOptions(options));
  }

  /** The server's time as its own last answer told; milliseconds since the epoch. */
  now(): number {
    return this.#clock.now() + this.#client.config.systemClockOffset;
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** Closes all connections; what is under way, or waits to be tried again, fails. */
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

/** The SDK would warn on the console of each stream that it does not retry: we do. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Every setting is given, so that neither the environment nor a file in somebody's home changes what
 * we do, and none of it need be readable. Checksums: Content-MD5 and a signed SHA-256, which every
 * server knows, instead of the SDK's CRC32 trailers, which break many. Retries are ours.
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
  judgeAnswers(client);
  return client;
}

async function readCa(path: string): Promise<string> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (error) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot read storage.caFile ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new DaemonError("FAILED_PRECONDITION", `storage.caFile ${path} holds no PEM certificate`);
  }
  return pem;
}
