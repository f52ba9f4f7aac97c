/** Writes a merged tree as the image's index and as the new baseline. */

import {
  type Block,
  indexBlobs,
  type IndexChain,
  type IndexContent,
  type LayerInfo,
  type StaleEntry,
  writeIndex,
} from "../../../image/mod.ts";
import type { File } from "../../../linux/mod.ts";
import type { SpooledBlob } from "../../../spool.ts";
import type { OpenAreas } from "../../areas.ts";
import { writeAliases } from "../../baseline/baseline_aliases.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { appendBaseline, writeBaseline } from "../../baseline/baseline_writer.ts";
import { encodeFrozenState } from "../../baseline/frozen_state.ts";
import { newBaselineToken } from "../../baseline/tokens.ts";
import type { DeviceAlias } from "../../volume/device_names.ts";
import type { SubvolumeState } from "../../volume/tree_state.ts";
import {
  mayAppend,
  removalsOf,
  staleDifferences,
  type TreeDifferences,
} from "./tree_differences.ts";

/** A merged tree, and where it is written. */
export interface TreeFiles {
  /** Name of the index file in the spool. */
  readonly indexName: string;
  /** The table. */
  readonly layers: readonly LayerInfo[];
  /** Ordered by path. */
  readonly blocks: readonly Block[];
  /** Ordered by path and layer. */
  readonly stale: readonly StaleEntry[];
  /** The state of the frozen tree that is described; empty if it was not frozen. */
  readonly frozenState: readonly SubvolumeState[];
  /** The aliases of the baseline. */
  readonly aliases: readonly DeviceAlias[];
  /** The image and the baseline, to write what differs from them; absent to write all. */
  readonly before?: TreeBefore | undefined;
  /** Called once the index is complete, before the baseline is; without one if it is that of before. */
  onIndex(index: SpooledBlob | undefined): void;
}

/** What a merged tree was before. */
export interface TreeBefore {
  readonly index: IndexChain;
  readonly file: File;
  readonly baseline: BaselineReader;
  readonly stale: readonly StaleEntry[];
  readonly differences: TreeDifferences;
}

/**
 * Writes both files.
 * @returns the index, and the token of the uncommitted baseline
 */
export function writeTreeFiles(
  areas: OpenAreas,
  files: TreeFiles,
): { index: IndexChain; newBaseline: string } {
  const { layers, blocks, stale, frozenState, before } = files;
  const newBaseline = newBaselineToken();
  using file = areas.baselines.createFile(newBaseline);
  try {
    const index = before ? patchIndex(areas, files, before) : writeWholeIndex(areas, files);
    const state = frozenState.length === 0 ? undefined : encodeFrozenState(file, frozenState);
    const content = { layers, stale, index, ...(state ? { frozenState: state } : {}) };
    if (before && mayAppend(before.baseline, before.differences)) {
      const { baseline: reader, differences } = before;
      const { dead } = differences;
      appendBaseline(file, { file: before.file, reader, dead }, differences.blocks, content);
    } else writeBaseline(file, blocks, content);
    writeAliases(file, files.aliases);
    file.startWriteback(0, 0);
    return { index, newBaseline };
  } catch (error) {
    areas.baselines.unlink(newBaseline);
    throw error;
  }
}

function writeWholeIndex(
  areas: OpenAreas,
  { indexName, layers, blocks, stale, onIndex }: TreeFiles,
): IndexChain {
  const written = spoolIndex(areas, indexName, { layers, blocks, stale });
  onIndex(written);
  return { digest: written.digest, size: written.size };
}

/** Writes a patch, unless the image is the same in all that an index says. */
function patchIndex(
  areas: OpenAreas,
  { indexName, layers, stale, onIndex }: TreeFiles,
  { index, baseline, stale: staleBefore, differences }: TreeBefore,
): IndexChain {
  const { added, removed } = staleDifferences(
    staleBefore,
    stale,
    (layer) => layers[layer]!.isUnused === true,
  );
  const removals = removalsOf(differences.removed, removed);
  const isSame = isSameTable(baseline.header.layers, layers) &&
    differences.indexBlocks.length + added.length + removals.length === 0;
  if (isSame) {
    onIndex(undefined);
    return index;
  }
  const patch = { below: index.digest, removals };
  const content = { layers, blocks: differences.indexBlocks, stale: added, patch };
  const written = spoolIndex(areas, indexName, content);
  onIndex(written);
  return { digest: written.digest, size: written.size, below: indexBlobs(index) };
}

function isSameTable(a: readonly LayerInfo[], b: readonly LayerInfo[]): boolean {
  return a.length === b.length && a.every(({ digest }, n) => digest === b[n]!.digest);
}

function spoolIndex(areas: OpenAreas, name: string, content: IndexContent): SpooledBlob {
  using file = areas.spool.createFile(name);
  const { digest, size } = writeIndex(file, content);
  return { digest, size, file: { area: "spool", path: name } };
}
