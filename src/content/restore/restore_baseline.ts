/** Writes the baseline of a restored tree. */

import { sleepSync } from "../../clock.ts";
import { blocksAt, decodeHeader, decodeStale, type IndexChain } from "../../image/mod.ts";
import type { OpenAreas } from "../areas.ts";
import { writeBaseline } from "../baseline/baseline_writer.ts";
import { newBaselineToken } from "../baseline/tokens.ts";
import type { StepRequest } from "./step.ts";
import { WorkerPlan } from "./worker_plan.ts";

/**
 * How long after the last inode was made a change of it is certain to get another ctime, in
 * milliseconds: several ticks of the kernel's clock for timestamps.
 */
const TICK_MS = 50;

/**
 * Writes an uncommitted baseline: the index with the inodes and ctimes that the other steps have set
 * in its records. Returns its token, after a wait that makes sure that any later change shows.
 */
export function restoreBaseline(
  areas: OpenAreas,
  request: StepRequest & { readonly index: IndexChain },
): string {
  const token = newBaselineToken();
  using file = areas.baselines.createFile(token);
  try {
    const plan = new WorkerPlan(request.plan);
    const bytes = new Uint8Array(request.plan.index);
    const header = decodeHeader(bytes);
    const { layers, blockBytes, stale } = header;
    writeBaseline(file, Array.from({ length: plan.directories }, (_, n) => plan.block(n)), {
      layers,
      stale: decodeStale(bytes.subarray(blocksAt(header) + blockBytes), stale),
      index: request.index,
    });
    sleepSync(TICK_MS);
    return token;
  } catch (error) {
    areas.baselines.unlink(token);
    throw error;
  }
}
