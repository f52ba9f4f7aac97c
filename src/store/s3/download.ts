/** Downloads objects into spool files, in parallel ranges, or ranges into memory; each resumes where it broke off. */

import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { asDaemonError, DaemonError, machineError } from "../../errors.ts";
import { release } from "../../memory.ts";
import type { BlobRange, StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { CorruptAnswerError, isBeyondEnd } from "./s3_errors.ts";
import { forEachIndex } from "../../async/mod.ts";

/** An object whose size is known. */
export interface Source {
  Bucket: string;
  Key: string;
  /** Bytes. */
  size: number;
  /** Any other version is refused; for objects that may be replaced. */
  etag?: string | undefined;
}

/** Received bytes that reset the count of attempts; of a short remainder, {@link MIN_SHARE} suffices. */
const MIN_PROGRESS = 4 << 10;
/** The share of the remaining bytes that resets the count: it can do so a bounded number of times. */
const MIN_SHARE = 1 / 16;

/**
 * Downloads an object into a new file, and returns the ETag that it came with. The content is not
 * checked.
 * @throws what the requests throw, or a DaemonError where the file cannot be written.
 */
export async function download(
  connection: Connection,
  source: Source,
  path: string,
  { signal }: StoreOptions,
): Promise<string | undefined> {
  let etag: string | undefined;
  await onSpool(path, async () => {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    await file.truncate(source.size);
  });
  await forEachPart(
    connection,
    { start: 0, end: source.size },
    { signal },
    async (part, either) => {
      using file = await onSpool(path, () => Deno.open(path, { write: true }));
      await onSpool(path, () => file.seek(part.start, Deno.SeekMode.Start));
      const take = (bytes: Uint8Array) => onSpool(path, () => writeAll(file, bytes));
      etag = await fetchRange(connection, source, { ...part, take }, { signal: either }) ?? etag;
    },
  );
  return etag;
}

/**
 * Downloads a range of an object into memory. The content is not checked.
 * @throws what the requests throw
 */
export async function downloadRange(
  connection: Connection,
  source: Source,
  range: BlobRange,
  options: StoreOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(range.end - range.start);
  await forEachPart(connection, range, options, async (part, signal) => {
    let at = part.start - range.start;
    const take = (piece: Uint8Array) => {
      bytes.set(piece, at);
      at += piece.length;
      return Promise.resolve();
    };
    await fetchRange(connection, source, { ...part, take }, { signal });
  });
  return bytes;
}

/** Runs work for each part of a range that one request is to get, several at a time. */
async function forEachPart(
  { tuning: { partSize, partsPerObject } }: Connection,
  range: BlobRange,
  { signal }: StoreOptions,
  work: (part: BlobRange, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const count = Math.ceil((range.end - range.start) / partSize);
  await forEachIndex(count, partsPerObject, signal, async (index, either) => {
    const start = range.start + index * partSize;
    await work({ start, end: Math.min(start + partSize, range.end) }, either);
  });
}

/** The bytes of an object that one chain of requests downloads. */
interface Range extends BlobRange {
  /** Takes the next of them, which are valid until it resolves. */
  take(part: Uint8Array): Promise<void>;
}

/** Downloads one range. Returns the ETag of the last answer. */
async function fetchRange(
  connection: Connection,
  source: Source,
  range: Range,
  options: StoreOptions,
): Promise<string | undefined> {
  let etag: string | undefined;
  const attempts = connection.attempts(options);
  let at = range.start;
  /** Where the count of attempts was last reset: small steps add up to progress. */
  let counted = at;
  while (at < range.end) {
    try {
      await connection.once(async (client, sending) => {
        const answer = await client.send(
          new GetObjectCommand(rangeInput(source, at, range)),
          sending,
        );
        etag = answer.ETag;
        for await (const chunk of bodyFrom(answer, source, at)) {
          const part = chunk.subarray(0, range.end - at);
          await range.take(part);
          at += part.length;
          release(chunk);
          if (at === range.end) break;
        }
      }, options);
      // A broken connection throws; this answer ended where it had announced.
      if (at < range.end) {
        throw new CorruptAnswerError(
          `the store's answer for ${source.Key} ended at byte ${at} of ${range.end}`,
        );
      }
    } catch (error) {
      if (
        at > counted && at - counted >= Math.min(MIN_PROGRESS, (range.end - counted) * MIN_SHARE)
      ) {
        attempts.reset();
        counted = at;
      }
      await attempts.next(isBeyondEnd(error) ? tooShort(source, error) : error);
    }
  }
  return etag;
}

function rangeInput(
  { Bucket, Key, etag }: Source,
  at: number,
  range: Range,
): { Bucket: string; Key: string; Range: string; IfMatch?: string } {
  const Range = `bytes=${at}-${range.end - 1}`;
  return { Bucket, Key, Range, ...(etag ? { IfMatch: etag } : {}) };
}

/** Yields the body from byte `at` on, also where the server ignores ranges and sends the whole object. */
async function* bodyFrom(
  answer: GetObjectCommandOutput,
  source: Source,
  at: number,
): AsyncGenerator<Uint8Array> {
  const { ContentRange, Body } = answer;
  if (!Body) throw new CorruptAnswerError("the store answered without a body");
  let skip = at;
  if (ContentRange !== undefined) {
    const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(ContentRange);
    if (!match || Number(match[1]) !== at) {
      throw new CorruptAnswerError(`the store answered with the range ${ContentRange}`);
    }
    checkSize(match[2] === "*" ? undefined : Number(match[2]), source, answer.ETag);
    skip = 0;
  } else {
    checkSize(answer.ContentLength, source, answer.ETag);
  }
  for await (const chunk of Body as AsyncIterable<Uint8Array>) {
    const dropped = Math.min(skip, chunk.length);
    skip -= dropped;
    if (dropped < chunk.length) yield chunk.subarray(dropped);
  }
}

function tooShort({ Key, size }: Source, cause: unknown): CorruptAnswerError {
  return new CorruptAnswerError(`${Key} has fewer than the ${size} bytes that were expected`, {
    cause,
  });
}

function checkSize(size: number | undefined, source: Source, etag: string | undefined): void {
  if (size === undefined || size === source.size) return;
  throw new CorruptAnswerError(
    `${source.Key} has ${size} bytes where ${source.size} were expected`,
    { etag },
  );
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

/** Runs work on the spool file; its failures are this node's, so they are DaemonErrors, never retried. */
async function onSpool<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DaemonError) throw error;
    throw machineError(error, { doing: "Cannot write the spool file", path, isOwnFile: true }) ??
      asDaemonError(error, "INTERNAL", `Cannot write the spool file ${path}`);
  }
}
