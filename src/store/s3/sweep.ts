/** Unfinished uploads: a writer that died leaves parts that nobody sees and everybody pays for. */

import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { messageOf } from "../../errors.ts";
import { logger } from "../../log.ts";
import type { SweepOptions, Tally } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { failureOf } from "./s3_errors.ts";

const log = logger("store");

/**
 * Aborts uploads begun before `olderThan`. How many bytes their parts hold is not asked. A server
 * that cannot list uploads is left alone.
 */
export async function sweepUploads(
  connection: Connection,
  where: { Bucket: string; Prefix: string },
  olderThan: number,
  options: SweepOptions,
): Promise<Tally> {
  const tally: Tally = { count: 0, bytes: 0 };
  let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (markers) {
    const input = { ...where, ...markers };
    const page = await listUploads(connection, input, options);
    for (const { Key, UploadId, Initiated } of page?.Uploads ?? []) {
      if (!Key?.startsWith(where.Prefix) || !UploadId) continue;
      if (!Initiated || Initiated.getTime() >= olderThan) continue;
      if (!options.dryRun) await abort(connection, { ...where, Key, UploadId }, options);
      tally.count++;
    }
    markers = page?.IsTruncated && page.NextKeyMarker
      ? {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
      }
      : undefined;
  }
  return tally;
}

async function listUploads(
  connection: Connection,
  input: { Bucket: string; Prefix: string; KeyMarker?: string; UploadIdMarker?: string },
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

async function abort(
  connection: Connection,
  { Bucket, Key, UploadId }: { Bucket: string; Key: string; UploadId: string },
  options: SweepOptions,
): Promise<void> {
  try {
    await connection.request(
      (client, sending) =>
        client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), sending),
      options,
    );
  } catch (error) {
    if (!["missing", "upload_gone"].includes(failureOf(error, options.signal).kind)) throw error;
  }
}
