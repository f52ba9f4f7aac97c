import { decompress, TarReader } from "../../archive/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { ArchiveOptions, RestoreResult } from "../restore/restore_result.ts";
import type { Tree } from "../tree.ts";
import { Abilities } from "../abilities.ts";
import { extractArchive } from "../extract/extract_archive.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openLocalFile, openTree, requireStaging } from "../areas.ts";

export interface ExtractRequest {
  tree: Tree;
  archive: LocalFile;
  compression: ArchiveOptions["compression"];
  limitBytes: number | undefined;
}

/** Extracts a plain, hostile archive into a staging tree. */
export async function extract(
  areas: OpenAreas,
  request: ExtractRequest,
  context: OperationContext,
): Promise<RestoreResult> {
  requireStaging(request.tree);
  using archive = openLocalFile(areas, request.archive);
  archive.advise();
  using top = openTree(areas, request.tree);
  const bytes = await decompress(archive, request.compression);
  const reader = new TarReader({
    read(into) {
      // Not only per entry: an entry's content can take an hour, and so can skipping it.
      context.throwIfCancelled();
      return bytes.read(into);
    },
  });
  return extractArchive(reader, top, new Abilities(areas.staging), {
    bytes: request.limitBytes,
    throwIfCancelled: () => context.throwIfCancelled(),
  });
}
