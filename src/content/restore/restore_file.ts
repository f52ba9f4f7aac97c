/** Restores one regular file from its layer. */

import { ArchiveError, SparseMapReader } from "../../archive/mod.ts";
import type { Extent } from "../../extent.ts";
import { type Block, FLAG, type FrameReader } from "../../image/mod.ts";
import { type Directory, type File, isErrno, joinPath } from "../../linux/mod.ts";
import { type MetadataPolicy, NAME_REFUSALS } from "./metadata_policy.ts";
import { readContent } from "./read_content.ts";
import { hasWholeSeconds, storedMetadata } from "./record_metadata.ts";

/** Files between two checks whether the restore was cancelled. */
export const FILES_PER_CHECK = 16;

/** A file's record, and what is needed to make the file. */
export interface FileToRestore {
  /** The directory to make it in. */
  readonly dir: Directory;
  readonly block: Block;
  readonly record: number;
  /** The layer that has the content. */
  readonly reader: FrameReader;
  readonly policy: MetadataPolicy;
  /**
   * Called as the content is written, with the bytes of it that are.
   * @throws {DaemonError} ABORTED
   */
  tick(written: number): void;
}

/** The mode of a file whose metadata is still to be set: nobody else may read it before. */
export const PRIVATE_MODE = 0o600;

/**
 * Makes a file with its content and metadata, and sets its inode and ctime in its record.
 * @returns false if the file system cannot hold a file of such a name or size; none is left then
 * @throws {SystemError}
 * @throws {ArchiveError} if the layer does not have the content that the record describes
 */
export function restoreFile(options: FileToRestore): boolean {
  const { dir, block, record, policy } = options;
  const stored = storedMetadata(block, record);
  const hasXattrs = stored.xattrs.length > 0;
  const name = block.name(record);
  let created: File;
  try {
    created = dir.createFile(name, hasXattrs ? PRIVATE_MODE : policy.creationModeOf(stored));
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return false;
    throw error;
  }
  using file = created;
  try {
    if (block.flags(record) & FLAG.sparse) writeSparse(file, options);
    else writePlain(file, options);
  } catch (error) {
    if (!isErrno(error, "EFBIG")) throw error;
    dir.unlink(name);
    return false;
  }
  const stat = policy.apply(file, stored, () => joinPath(block.path, name));
  block.setLocal(record, stat, hasWholeSeconds(stat));
  return true;
}

function writePlain(file: File, { block, record, reader, tick }: FileToRestore): void {
  let written = 0;
  readContent(reader, { block, record }, (piece) => {
    tick(written);
    file.write(piece);
    written += piece.length;
  });
}

/** Writes the data behind the sparse map (PAX 1.0) that the stored bytes begin with. */
function writeSparse(file: File, { block, record, reader, tick }: FileToRestore): void {
  const size = block.size(record);
  const map = new SparseMapReader();
  let extents: Extent[] | undefined;
  let current = 0;
  let done = 0;
  let written = 0;
  file.truncate(size);
  readContent(reader, { block, record }, (piece) => {
    tick(written);
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
      written += part.length;
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
