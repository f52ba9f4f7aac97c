/** Restores symlinks, FIFOs and devices. */

import { type Block, KIND, RECORD } from "../../image/mod.ts";
import { type Directory, isErrno, joinPath, S } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";
import type { Omissions } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import { type MetadataPolicy, NODE_REFUSALS } from "./metadata_policy.ts";
import { hasWholeSeconds, storedMetadata } from "./record_metadata.ts";
import { type RangeRequest, type RestoreStep, runStep } from "./step.ts";

/**
 * Makes the symlinks, FIFOs and devices in a range of directories.
 * @throws {DaemonError} DATA_LOSS naming the index; ABORTED
 */
export function restoreNodes(
  areas: OpenAreas,
  request: RangeRequest,
  context: OperationContext,
): Omissions {
  return runStep(areas, request, (step) => {
    const { start, end } = request.range;
    for (let n = start; n < end; n++) {
      context.throwIfCancelled();
      const block = step.plan.block(n);
      for (let record = block.first, last = block.end; record < last; record += RECORD) {
        const kind = block.kind(record);
        if (kind !== KIND.file && kind !== KIND.link) restoreNode(step, block, record);
      }
    }
  });
}

function restoreNode(step: RestoreStep, block: Block, record: number): void {
  const { policy } = step;
  const dir = step.open(block);
  const name = block.name(record).slice();
  try {
    const isMade = dir && makeNode(dir, name, block, record, policy);
    if (!isMade) return step.omit(block, record);
  } catch (error) {
    if (!isErrno(error, ...NODE_REFUSALS)) throw error;
    return step.omit(block, record);
  }
  const stat = policy.applyToEntry(dir, name, storedMetadata(block, record), {
    hasMode: block.kind(record) !== KIND.symlink,
    path: () => joinPath(block.path, name),
  });
  block.setLocal(record, stat, hasWholeSeconds(stat));
}

/** Makes a node. @returns false for a device that the policy does not allow. @throws {SystemError} */
function makeNode(
  dir: Directory,
  name: Uint8Array,
  block: Block,
  record: number,
  policy: MetadataPolicy,
): boolean {
  switch (block.kind(record)) {
    case KIND.symlink:
      dir.symlink(block.link(record), name);
      return true;
    case KIND.fifo:
      dir.makeFifo(name, 0o600);
      return true;
    default: {
      if (!policy.allowsDevices) return false;
      const type = block.kind(record) === KIND.character ? S.IFCHR : S.IFBLK;
      dir.makeDevice(name, type | 0o600, block.size(record), block.offset(record));
      return true;
    }
  }
}
