/** Writing one file by its record. */

import { type Extent, SparseMapReader } from "../../archive/sparse_map.ts";
import { ArchiveError } from "../../archive/error.ts";
import type { Directory, File } from "../../linux/mod.ts";
import type { Block } from "../../image/block.ts";
import { FLAG } from "../../image/layout.ts";
import type { OperationContext } from "../operation.ts";
import type { LayerReader } from "../../image/layer_reader.ts";
import type { MetadataPolicy } from "./metadata.ts";
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

/** Creates the file, and notes what this node knows of it in the record. @throws {SystemError} */
export function restoreContent(wanted: FileToRestore): void {
  const { dir, block, record, policy } = wanted;
  const stored = storedMetadata(block, record);
  const mode = policy.modeOf(stored);
  const isPlain = stored.xattrs.length === 0;
  using file = dir.createFile(block.name(record), isPlain ? mode & 0o777 : PRIVATE);
  if (block.flags(record) & FLAG.sparse) sparseContent(file, wanted);
  else plainContent(file, wanted);
  if (policy.mustGive(stored)) file.chown(stored.uid, stored.gid);
  if (!isPlain) policy.setXattrs(file, stored.xattrs);
  file.setTimes(stored.mtime);
  let stat = file.stat();
  if (stat.permissions !== mode) {
    file.chmod(mode);
    stat = file.stat();
  }
  block.setLocal(record, stat, hasSecondGranularity(stat));
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
  let stretches: Extent[] | undefined;
  let current = 0;
  let done = 0;
  file.truncate(size);
  reader.read(block.offset(record), block.stored(record), (piece) => {
    context.throwIfCancelled();
    let rest = stretches ? piece : piece.subarray(map.take(piece));
    stretches ??= map.stretches(size);
    while (stretches && rest.length > 0) {
      const stretch = stretches[current];
      if (!stretch) {
        throw new ArchiveError("malformed", "a sparse file has data that its map lacks");
      }
      const part = rest.subarray(0, stretch.length - done);
      file.writeAt(part, stretch.offset + done);
      done += part.length;
      rest = rest.subarray(part.length);
      if (done === stretch.length) {
        current++;
        done = 0;
      }
    }
  });
  const isWhole = stretches?.slice(current).every(({ length }) => length === 0) && done === 0;
  if (!isWhole) throw new ArchiveError("truncated", "a sparse file has less data than its map");
}
