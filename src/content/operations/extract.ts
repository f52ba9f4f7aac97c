/** Extracts plain archives. */

import { decompress, TarReader } from "../../archive/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { ArchiveOptions, RestoreResult } from "../restore/restore_result.ts";
import type { Tree } from "../tree.ts";
import { Abilities } from "../abilities.ts";
import { compressionOf } from "../compression_of.ts";
import { extractArchive } from "../extract/extract_archive.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openLocalFile, openTree, requireStaging } from "../areas.ts";

/** A plain archive, and the staging tree to extract it into. */
export interface ExtractRequest {
  tree: Tree;
  archive: LocalFile;
  compression: ArchiveOptions["compression"];
  limitBytes: number | undefined;
  trusted: boolean;
}

/** Extracts a plain archive, treated as hostile, into a staging tree; see `Content.extract`. */
export async function extract(
  areas: OpenAreas,
  request: ExtractRequest,
  context: OperationContext,
): Promise<RestoreResult> {
  requireStaging(request.tree);
  using archive = openLocalFile(areas, request.archive);
  archive.advise();
  using top = openTree(areas, request.tree);
  const bytes = await decompress(archive, request.compression ?? compressionOf(archive));
  let bytesRead = 0;
  let files = 0;
  const reader = new TarReader({
    read(into) {
      // At each read, not at each entry: reading or skipping one entry can take an hour.
      context.throwIfCancelled();
      context.report(files, bytesRead);
      const count = bytes.read(into);
      bytesRead += count;
      return count;
    },
  });
  return extractArchive(reader, top, new Abilities(areas.staging), {
    bytes: request.limitBytes,
    trusted: request.trusted,
    throwIfCancelled: () => context.throwIfCancelled(),
    report: (count) => files = count,
  });
}
