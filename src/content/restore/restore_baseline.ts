/** Writes the baseline of a restored tree. */

import { sleepSync } from "../../clock.ts";
import { blocksAt, decodeHeader } from "../../image/mod.ts";
import type { OpenAreas } from "../areas.ts";
import { BaselineWriter } from "../baseline/baseline_writer.ts";
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
export function restoreBaseline(areas: OpenAreas, request: StepRequest): string {
  const token = newBaselineToken();
  using file = areas.baselines.createFile(token);
  try {
    const plan = new WorkerPlan(request.plan);
    const bytes = new Uint8Array(request.plan.index);
    const header = decodeHeader(bytes);
    const start = blocksAt(header);
    using writer = new BaselineWriter(file);
    writer.bytes(bytes.subarray(0, start));
    for (let n = 0; n < plan.directories; n++) writer.block(plan.block(n));
    writer.bytes(bytes.subarray(start + header.blockBytes));
    writer.finish();
    sleepSync(TICK_MS);
    return token;
  } catch (error) {
    areas.baselines.unlink(token);
    throw error;
  }
}
