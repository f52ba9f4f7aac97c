/** Writes a merged tree as the image's index and as the new baseline. */

import {
  type Block,
  encodeHeader,
  encodeStale,
  type IndexContent,
  type LayerInfo,
  type StaleEntry,
  writeIndex,
} from "../../../image/mod.ts";
import type { SpooledBlob } from "../../../spool.ts";
import type { OpenAreas } from "../../areas.ts";
import { writeAliases } from "../../baseline/baseline_aliases.ts";
import { BaselineWriter } from "../../baseline/baseline_writer.ts";
import { encodeFrozenState } from "../../baseline/frozen_state.ts";
import { newBaselineToken } from "../../baseline/tokens.ts";
import type { DeviceAlias } from "../../volume/device_names.ts";
import type { SubvolumeState } from "../../volume/tree_state.ts";

/** A merged tree, and where it is written. */
export interface TreeFiles {
  /** Name of the index file in the spool. */
  readonly indexName: string;
  readonly layers: readonly LayerInfo[];
  /** Ordered by path. */
  readonly blocks: readonly Block[];
  /** Ordered by path and layer. */
  readonly stale: readonly StaleEntry[];
  /** The state of the frozen tree that is described; empty if it was not frozen. */
  readonly frozenState: readonly SubvolumeState[];
  /** The aliases of the baseline. */
  readonly aliases: readonly DeviceAlias[];
  /** Called once the index is complete, before the baseline is. */
  onIndex(index: SpooledBlob): void;
}

/**
 * Writes both files.
 * @returns the index, in the spool, and the token of the uncommitted baseline
 */
export function writeTreeFiles(
  areas: OpenAreas,
  { indexName, layers, blocks, stale, frozenState, aliases, onIndex }: TreeFiles,
): { index: SpooledBlob; newBaseline: string } {
  const staleBytes = encodeStale(stale);
  const header = encodeHeader({
    layers,
    blocks: blocks.length,
    blockBytes: blocks.reduce((sum, block) => sum + block.length, 0),
    stale: stale.length,
    staleBytes: staleBytes.length,
  });
  const newBaseline = newBaselineToken();
  using baselineFile = areas.baselines.createFile(newBaseline);
  try {
    const index = spoolIndex(areas, indexName, { layers, blocks, stale });
    onIndex(index);
    using baseline = new BaselineWriter(baselineFile);
    baseline.bytes(header);
    for (const block of blocks) baseline.block(block);
    baseline.bytes(staleBytes);
    if (frozenState.length === 0) baseline.finish();
    else baseline.finish(encodeFrozenState(baselineFile, frozenState));
    writeAliases(baselineFile, aliases);
    baselineFile.startWriteback(0, 0);
    return { index, newBaseline };
  } catch (error) {
    areas.baselines.unlink(newBaseline);
    throw error;
  }
}

function spoolIndex(areas: OpenAreas, name: string, content: IndexContent): SpooledBlob {
  using file = areas.spool.createFile(name);
  const { digest, size } = writeIndex(file, content);
  return { digest, size, file: { area: "spool", path: name } };
}
