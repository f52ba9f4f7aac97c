/** Downloads one file: streams it to the spool, hashes it as it arrives, and resumes where it broke off. */

import { createHash, type Hash } from "node:crypto";
import { join } from "@std/path";
import type { Clock } from "../clock.ts";
import type { ParsedDigest } from "../digest.ts";
import { asDaemonError, DaemonError, machineError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { currentOperation } from "../operations/mod.ts";
import { displayUrl, type HttpClient } from "../outbound/mod.ts";
import { retry } from "../async/mod.ts";
import type { LocalFile } from "../spool.ts";
import { MIN_PROGRESS_BYTES, StallDetector } from "./stall_detector.ts";

const log = logger("initializer");

/** Maximum consecutive attempts without progress. */
const ATTEMPTS = 8;
const BASE_DELAY_MS = 250;
const MAX_DELAY_MS = 10_000;

/** The services and limits of a download. */
export interface FetchOptions {
  client: HttpClient;
  /** Absolute path of the spool. */
  spool: string;
  clock: Clock;
  signal: AbortSignal;
  /** Most bytes that the file may have; `undefined` for no limit. */
  limitBytes: number | undefined;
  /** Milliseconds in which progress must be made. */
  stallTimeout: number;
}

/** A failure after which another attempt may succeed. */
class TransientError extends DaemonError {
  constructor(message: string, options?: ErrorOptions) {
    super("UNAVAILABLE", message, options);
  }
}

/**
 * Downloads `url` into the spool; the caller owns the file.
 * @throws {DaemonError} FAILED_PRECONDITION (refused, out of reach, another digest),
 *   RESOURCE_EXHAUSTED (longer than the limit, disk full)
 */
export async function fetchFile(
  url: string,
  digest: ParsedDigest,
  options: FetchOptions,
): Promise<LocalFile & { size: number }> {
  const name = crypto.randomUUID();
  const path = join(options.spool, name);
  try {
    using file = await Deno.open(path, { write: true, createNew: true });
    const transfer = new Transfer(url, digest.algorithm, { file, path }, options);
    using _observed = currentOperation()?.progress.observe(() => ({
      files: 0,
      bytes: transfer.size,
    }));
    await retry(() => transfer.attempt(), {
      ...options,
      attempts: ATTEMPTS,
      baseDelay: BASE_DELAY_MS,
      maxDelay: MAX_DELAY_MS,
      progressed: () => transfer.progressed(),
      isRetryable: (error) => error instanceof DaemonError && error.code === "UNAVAILABLE",
      onRetry: (error) => {
        currentOperation()?.failedAttempt(error);
        log.warn("Trying again: {reason}", { reason: (error as DaemonError).message });
      },
    });
    transfer.check(digest);
    return { area: "spool", path: name, size: transfer.size };
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    options.signal.throwIfAborted();
    throw asFailure(error, path);
  }
}

function asFailure(error: unknown, path: string): DaemonError {
  if (error instanceof DaemonError) {
    if (error.code !== "UNAVAILABLE") return error;
    return new DaemonError("FAILED_PRECONDITION", error.message, {
      cause: error,
      reason: "DOWNLOAD_UNREACHABLE",
    });
  }
  return spoolError(error, path);
}

function spoolError(error: unknown, path: string): DaemonError {
  const doing = "Cannot write what was downloaded";
  return machineError(error, { doing, path, isOwnFile: true }) ??
    asDaemonError(error, "INTERNAL", doing);
}

/** The state of a download across its attempts. */
class Transfer {
  /** Bytes in the file, all of them hashed. */
  size = 0;
  #hash: Hash;
  /** The largest size that counted as progress; a server that starts anew gets no further. */
  #reached = 0;
  /** The ETag or modification time that the bytes so far belong to, for `If-Range`. */
  #validator: string | undefined;
  readonly #algorithm: string;
  readonly #url: string;
  readonly #file: Deno.FsFile;
  /** Absolute path of the file. */
  readonly #path: string;
  readonly #options: FetchOptions;

  constructor(
    url: string,
    algorithm: string,
    { file, path }: { file: Deno.FsFile; path: string },
    options: FetchOptions,
  ) {
    this.#url = url;
    this.#algorithm = algorithm;
    this.#file = file;
    this.#path = path;
    this.#options = options;
    this.#hash = createHash(algorithm);
  }

  /** Requests what is missing, and appends it. @throws {DaemonError} UNAVAILABLE where another attempt may help */
  async attempt(): Promise<void> {
    const { stallTimeout } = this.#options;
    using stalls = new StallDetector(stallTimeout);
    const signal = AbortSignal.any([this.#options.signal, stalls.signal]);
    const resumes = this.size > 0 && this.#validator !== undefined;
    let response: Response | undefined;
    try {
      response = await this.#options.client.get(this.#url, {
        signal,
        headers: resumes ? { range: `bytes=${this.size}-`, "if-range": this.#validator! } : {},
      });
      await this.#accept(response);
      for await (const chunk of response.body ?? []) {
        stalls.add(chunk.length);
        await this.#take(chunk);
      }
    } catch (error) {
      await response?.body?.cancel().catch(() => {});
      this.#options.signal.throwIfAborted();
      if (error instanceof DaemonError) throw error;
      if (stalls.signal.aborted) {
        const slow = `sent fewer than ${MIN_PROGRESS_BYTES} bytes in ${stallTimeout / 1000} s`;
        throw new TransientError(`${this.#where} ${slow}`);
      }
      throw new TransientError(`${this.#where} broke off`, { cause: error });
    }
  }

  /** Returns whether this attempt got further than all before, by enough bytes to count as progress. */
  progressed(): boolean {
    if (this.size < this.#reached + MIN_PROGRESS_BYTES) return false;
    this.#reached = this.size;
    return true;
  }

  /** Checks the digest. @throws {DaemonError} FAILED_PRECONDITION where the content has another one */
  check({ algorithm, hex }: ParsedDigest): void {
    const actual = this.#hash.digest("hex");
    if (actual === hex) return;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${this.#where} has the digest ${algorithm}:${actual}, not ${algorithm}:${hex}`,
      { reason: "DIGEST_MISMATCH" },
    );
  }

  get #where(): string {
    return displayUrl(this.#url);
  }

  /** Decides by a response's head where its body continues. @throws {DaemonError} where it has none */
  async #accept(response: Response): Promise<void> {
    const { status, headers } = response;
    const start = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1];
    if (status === 206 && Number(start) === this.size) return;
    await this.#restart();
    if (status === 200) {
      const etag = headers.get("etag");
      this.#validator = etag?.startsWith("W/") ? undefined : etag ??
        headers.get("last-modified") ?? undefined;
      this.#refuseExcess(Number(headers.get("content-length") ?? 0));
      return;
    }
    const message = `${this.#where} answered ${status} ${response.statusText}`.trimEnd();
    // After an unusable answer to a range, the whole file is asked for.
    const isRetryable = status >= 500 || [206, 408, 416, 425, 429].includes(status);
    throw isRetryable
      ? new TransientError(message)
      : new DaemonError("FAILED_PRECONDITION", message, { reason: "DOWNLOAD_FAILED" });
  }

  async #restart(): Promise<void> {
    this.size = 0;
    this.#validator = undefined;
    this.#hash = createHash(this.#algorithm);
    await this.#spooling(async () => {
      await this.#file.truncate(0);
      await this.#file.seek(0, Deno.SeekMode.Start);
    });
  }

  async #take(chunk: Uint8Array): Promise<void> {
    this.#refuseExcess(this.size + chunk.length);
    await this.#spooling(async () => {
      for (let at = 0; at < chunk.length;) at += await this.#file.write(chunk.subarray(at));
    });
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  /** Works on the spool file; a failure of that is this machine's, and not the server's. */
  async #spooling<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw spoolError(error, this.#path);
    }
  }

  #refuseExcess(size: number): void {
    const { limitBytes } = this.#options;
    if (limitBytes === undefined || size <= limitBytes) return;
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      `${this.#where} is longer than the ${limitBytes} bytes that the workspace's quota leaves`,
      { reason: "QUOTA_EXCEEDED" },
    );
  }
}
