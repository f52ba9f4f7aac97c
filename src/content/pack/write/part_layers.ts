/** The layer writers of a pack's parts. */

import { TEMPORARY_LAYER } from "../../../image/mod.ts";
import type { OpenAreas } from "../../areas.ts";
import type { OperationContext } from "../../operation.ts";
import type { PackJob, PartEvent } from "../pack_job.ts";
import { SharedPackState } from "../shared_state.ts";
import { ChunkPackWriter } from "./chunk_pack_writer.ts";
import { LayerWriter, type LayerWriterOptions } from "./layer_writer.ts";

/** The most layers and packs, and the most large files, that one part can number. */
export const NUMBERS_PER_PART: number = 1 << 20;

/**
 * Opens a part's layer writer. It emits each layer that it seals, and then waits while the store is
 * behind.
 * @param part the part's number; the merge has the number after the last part's
 */
export function openPartLayers(
  areas: OpenAreas,
  job: PackJob,
  part: number,
  context: OperationContext<PartEvent>,
): LayerWriter {
  return new LayerWriter(writerOptions(areas, job, part, context));
}

/** Opens a part's writer of chunk packs, as {@link openPartLayers} does for layers. */
export function openPartPacks(
  areas: OpenAreas,
  job: PackJob,
  part: number,
  context: OperationContext<PartEvent>,
): ChunkPackWriter {
  const { name, firstNumber, ...options } = writerOptions(areas, job, part, context);
  return new ChunkPackWriter({
    ...options,
    name: `${name}-chunks`,
    firstNumber: firstNumber + NUMBERS_PER_PART / 2,
  });
}

function writerOptions(
  areas: OpenAreas,
  job: PackJob,
  part: number,
  context: OperationContext<PartEvent>,
): LayerWriterOptions {
  const shared = new SharedPackState(job.shared, job.parts);
  return {
    areas,
    name: `${job.name}-${part}`,
    firstNumber: TEMPORARY_LAYER.first + part * NUMBERS_PER_PART,
    onSealed: (layer) => {
      shared.addLayer();
      context.emit({ kind: "layer", layer });
      shared.waitForStore(() => context.throwIfCancelled());
    },
  };
}
