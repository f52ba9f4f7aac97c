import { decompress } from "../../archive/decompress.ts";
import { TarReader } from "../../archive/reader.ts";
import type { LocalFile } from "../../spool.ts";
import type { ArchiveOptions, RestoreResult, Tree } from "../api.ts";
import { extractArchive } from "../extract_archive.ts";
import type { OperationContext } from "../operation.ts";
import { openLocalFile, type OpenRooms, openTree, requireStaging } from "../rooms.ts";

export interface ExtractRequest {
  tree: Tree;
  archive: LocalFile;
  compression: ArchiveOptions["compression"];
  limitBytes: number | undefined;
}

/** Extracts a plain, hostile archive into a staging tree. */
export async function extract(
  rooms: OpenRooms,
  request: ExtractRequest,
  context: OperationContext,
): Promise<RestoreResult> {
  requireStaging(request.tree);
  using archive = openLocalFile(rooms, request.archive);
  archive.advise();
  using top = openTree(rooms, request.tree);
  const bytes = await decompress(archive, request.compression);
  const reader = new TarReader({
    read(into) {
      // Not only per entry: an entry's content can take an hour, and so can skipping it.
      context.throwIfCancelled();
      return bytes.read(into);
    },
  });
  return extractArchive(reader, top, {
    bytes: request.limitBytes,
    throwIfCancelled: () => context.throwIfCancelled(),
  });
}
