/** Aborts unfinished uploads, whose parts no listing of objects shows, though they are paid for. */

import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
} from "@aws-sdk/client-s3";
import { messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { SweepOptions, Tally } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { CorruptAnswerError, failureOf } from "./s3_errors.ts";

const log = logger("store");

/**
 * Aborts uploads begun before `olderThan` (milliseconds since the epoch, by the store's clock). Counts
 * them, but not their bytes, which would take a request for each. Logs a warning and does nothing where
 * the server cannot list uploads.
 */
export async function sweepUploads(
  connection: Connection,
  where: { Bucket: string; Prefix: string },
  olderThan: number,
  options: SweepOptions,
): Promise<Tally> {
  const tally: Tally = { count: 0, bytes: 0 };
  let markers: Markers | undefined = {};
  while (markers) {
    const input = { ...where, ...markers };
    const page = await listUploads(connection, input, options);
    for (const { Key, UploadId, Initiated } of page?.Uploads ?? []) {
      if (!Key?.startsWith(where.Prefix) || !UploadId) continue;
      if (!Initiated || Initiated.getTime() >= olderThan) continue;
      if (!options.dryRun) await abort(connection, { ...where, Key, UploadId, Initiated }, options);
      tally.count++;
    }
    const next = page && nextMarkers(page);
    if (
      next && next.KeyMarker === markers.KeyMarker &&
      next.UploadIdMarker === markers.UploadIdMarker
    ) {
      throw new CorruptAnswerError("the store cut a listing of uploads and does not go on with it");
    }
    markers = next;
  }
  return tally;
}

/** The place where the next page of a listing begins. */
interface Markers {
  KeyMarker?: string;
  UploadIdMarker?: string;
}

function nextMarkers(
  { IsTruncated, NextKeyMarker, NextUploadIdMarker }: ListMultipartUploadsCommandOutput,
): Markers | undefined {
  if (!IsTruncated || !NextKeyMarker) return undefined;
  return {
    KeyMarker: NextKeyMarker,
    ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}),
  };
}

async function listUploads(
  connection: Connection,
  input: { Bucket: string; Prefix: string } & Markers,
  options: SweepOptions,
) {
  try {
    return await connection.request(
      (client, sending) => client.send(new ListMultipartUploadsCommand(input), sending),
      options,
    );
  } catch (error) {
    const { kind } = failureOf(error, options.signal);
    if (kind !== "unsupported" && kind !== "refused") throw error;
    log.warn("The store does not list unfinished uploads: {cause}", { cause: messageOf(error) });
    return undefined;
  }
}

/** Aborts an upload, which frees its parts. One that has ended meanwhile is no error. */
async function abort(
  connection: Connection,
  upload: { Bucket: string; Key: string; UploadId: string; Initiated: Date },
  options: SweepOptions,
): Promise<void> {
  const { Bucket, Key, UploadId, Initiated } = upload;
  try {
    await connection.request(
      (client, sending) =>
        client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), sending),
      options,
    );
    log.info("Ended an upload of {key} that was begun at {begun} and never finished", {
      key: Key,
      begun: Initiated.toISOString(),
    });
  } catch (error) {
    if (!["missing", "upload_gone"].includes(failureOf(error, options.signal).kind)) throw error;
  }
}
