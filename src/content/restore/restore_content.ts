import { ArchiveError, SparseMapReader } from "../../archive/mod.ts";
import type { Extent } from "../../extent.ts";
import { type Block, FLAG, type LayerReader } from "../../image/mod.ts";
import type { OperationContext } from "../operation.ts";
import { type Directory, type File, isErrno, joinPath } from "../../linux/mod.ts";
import { type MetadataPolicy, NAME_REFUSALS } from "./metadata_policy.ts";
import { hasSecondGranularity, storedMetadata } from "./record_metadata.ts";

export interface FileToRestore {
  readonly dir: Directory;
  readonly block: Block;
  readonly record: number;
  readonly reader: LayerReader;
  readonly policy: MetadataPolicy;
  readonly context: OperationContext;
}

/** Until the mode is known to be right. */
const PRIVATE = 0o600;

/**
 * Creates the file, and notes what this node knows of it in the record.
 * @returns false where the file system has no place for such a name or size: nothing is left then
 * @throws {SystemError}
 */
export function restoreContent(wanted: FileToRestore): boolean {
  const { dir, block, record, policy } = wanted;
  const stored = storedMetadata(block, record);
  const isPlain = stored.xattrs.length === 0;
  const name = block.name(record);
  let file: File;
  try {
    file = dir.createFile(name, isPlain ? policy.creationModeOf(stored) : PRIVATE);
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return false;
    throw error;
  }
  using created = file;
  try {
    if (block.flags(record) & FLAG.sparse) sparseContent(created, wanted);
    else plainContent(created, wanted);
  } catch (error) {
    if (!isErrno(error, "EFBIG")) throw error;
    dir.unlink(name);
    return false;
  }
  const stat = policy.apply(created, stored, () => joinPath(block.path, name));
  block.setLocal(record, stat, hasSecondGranularity(stat));
  return true;
}

function plainContent(file: File, { block, record, reader, context }: FileToRestore): void {
  reader.read(block.offset(record), block.stored(record), (piece) => {
    context.throwIfCancelled();
    file.write(piece);
  });
}

function sparseContent(file: File, { block, record, reader, context }: FileToRestore): void {
  const size = block.size(record);
  const map = new SparseMapReader();
  let extents: Extent[] | undefined;
  let current = 0;
  let done = 0;
  file.truncate(size);
  reader.read(block.offset(record), block.stored(record), (piece) => {
    context.throwIfCancelled();
    let rest = extents ? piece : piece.subarray(map.take(piece));
    extents ??= map.extents(size);
    while (extents && rest.length > 0) {
      const extent = extents[current];
      if (!extent) {
        throw new ArchiveError("malformed", "a sparse file has data that its map lacks");
      }
      const part = rest.subarray(0, extent.length - done);
      file.writeAt(part, extent.offset + done);
      done += part.length;
      rest = rest.subarray(part.length);
      if (done === extent.length) {
        current++;
        done = 0;
      }
    }
  });
  const isWhole = extents?.slice(current).every(({ length }) => length === 0) && done === 0;
  if (!isWhole) throw new ArchiveError("truncated", "a sparse file has less data than its map");
}
