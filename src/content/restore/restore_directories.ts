/** Restores directories: makes them before their entries, and sets their metadata afterwards. */

import { isErrno } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";
import type { Omissions } from "../omissions.ts";
import { NAME_REFUSALS } from "./metadata_policy.ts";
import { storedMetadata } from "./record_metadata.ts";
import { type RangeRequest, runStep, type StepRequest } from "./step.ts";

/** Makes directories that only the daemon's user can enter until their own mode is set. */
export function restoreDirectories(areas: OpenAreas, request: RangeRequest): Omissions {
  return runStep(areas, request, ({ plan, directories, omissions }) => {
    const { start, end } = request.range;
    for (let n = start; n < end; n++) {
      const block = plan.block(n);
      try {
        directories.make(block.path);
      } catch (error) {
        if (!isErrno(error, ...NAME_REFUSALS)) throw error;
        block.setOmitted(block.self);
        omissions.add("directory", block.path);
      }
    }
  });
}

/**
 * Sets the metadata of directories, deepest first.
 * @returns `closed`: the directories that their owner may not read, write and enter, by number. They
 *   must wait for {@link restoreClosedDirectories}, because other ranges may have directories below.
 */
export function restoreMetadata(
  areas: OpenAreas,
  request: RangeRequest,
): { closed: number[]; omitted: Omissions } {
  const closed: number[] = [];
  const omitted = runStep(areas, request, (step) => {
    for (let n = request.range.end - 1; n >= request.range.start; n--) {
      const block = step.plan.block(n);
      const dir = step.open(block);
      if (!dir) continue;
      const stored = storedMetadata(block, block.self);
      if ((stored.mode & 0o700) !== 0o700) closed.push(n);
      else step.policy.apply(dir, stored, () => block.path);
    }
  });
  return { closed, omitted };
}

/** Sets the metadata of directories that even their owner may not use, deepest first. */
export function restoreClosedDirectories(
  areas: OpenAreas,
  request: StepRequest & { directories: readonly number[] },
): Omissions {
  return runStep(areas, request, ({ plan, policy, directories }) => {
    for (const n of [...request.directories].sort((a, b) => b - a)) {
      const block = plan.block(n);
      using dir = directories.openUncached(block.path);
      policy.apply(dir, storedMetadata(block, block.self), () => block.path);
    }
  });
}
