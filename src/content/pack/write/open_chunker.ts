/** The file chunkers of a pack's parts. */

import type { OpenBaseline } from "../open_baseline.ts";
import type { PackJob } from "../pack_job.ts";
import { reusableLayers } from "../scan/previous_tree.ts";
import type { ChunkPackWriter } from "./chunk_pack_writer.ts";
import { FileChunker, type SegmentSharing } from "./file_chunker.ts";

/**
 * Returns what stores the large files of a part.
 * @param baseline stays open; it gets a reader of its own, since a reader's blocks are valid only until
 *   its next call
 */
export function openChunker(
  job: PackJob,
  packs: ChunkPackWriter,
  baseline: OpenBaseline | undefined,
  sharing?: SegmentSharing,
): FileChunker {
  const previous = baseline && (() => {
    const tree = baseline.another();
    return { tree, reusable: reusableLayers(tree, new Set(job.reuse)) };
  });
  return new FileChunker({ packs, minBytes: job.chunkMinBytes ?? Infinity, previous, sharing });
}
