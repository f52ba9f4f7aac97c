/** The steps of a restore by an index that read layers: checking one, and restoring its files. */

import type { Digest } from "../../digest.ts";
import { type LayerInfo, LayerReader, readingBlob, verifyBlob } from "../../image/mod.ts";
import type { LocalFile } from "../../spool.ts";
import { type OpenAreas, openLocalFile } from "../areas.ts";
import type { Omissions } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import { FILES_PER_CHECK, restoreFile } from "./restore_file.ts";
import { runStep, type StepRequest } from "./step.ts";
import type { FileUnit } from "./worker_plan.ts";

/** A step that restores files of one layer. */
export interface FilesRequest extends StepRequest {
  readonly unit: FileUnit;
  readonly layer: LayerInfo;
  /** Where the layer is on this node. */
  readonly file: LocalFile;
}

/** Checks the digest of a whole layer. @throws {DaemonError} DATA_LOSS naming the layer; ABORTED */
export function restoreVerify(
  areas: OpenAreas,
  request: { file: LocalFile; blob: { digest: Digest; size: number } },
  context: OperationContext,
): void {
  using file = openLocalFile(areas, request.file);
  file.advise();
  verifyBlob(file, request.blob, () => context.throwIfCancelled());
}

/**
 * Restores the files of a unit. The caller has had the layer checked by {@link restoreVerify}.
 * @throws {DaemonError} DATA_LOSS naming the layer or the index; ABORTED
 */
export function restoreFiles(
  areas: OpenAreas,
  request: FilesRequest,
  context: OperationContext,
): Omissions {
  const { unit, layer } = request;
  using file = openLocalFile(areas, request.file);
  return runStep(areas, request, (step) => {
    const { plan, policy } = step;
    readingBlob(layer.digest, () => {
      using reader = new LayerReader(file, layer.size, layer.rawSize);
      let bytes = 0;
      for (let n = unit.start; n < unit.end; n++) {
        const tick = (written: number) => {
          context.throwIfCancelled();
          context.report(n - unit.start, bytes + written);
        };
        if (n % FILES_PER_CHECK === 0) tick(0);
        const { block, record } = plan.file(n);
        const dir = step.open(block);
        const isMade = dir && restoreFile({ dir, block, record, reader, policy, tick });
        if (!isMade) step.omit(block, record);
        bytes += block.size(record);
      }
      context.report(unit.end - unit.start, bytes);
    });
  });
}
