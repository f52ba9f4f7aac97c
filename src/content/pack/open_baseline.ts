import { Memory } from "../../image/mod.ts";
import type { File } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";
import { BaselineReader } from "../baseline/baseline_reader.ts";
import type { PackJob } from "./pack_job.ts";

/** The baseline of a pack. */
export interface OpenBaseline extends Disposable {
  readonly file: File;
  readonly reader: BaselineReader;
  /** Returns another reader, whose blocks are valid beside those of the first. */
  another(): BaselineReader;
}

/** Opens the baseline of a pack, if it has one; it is read from memory where Workers share that. */
export function openBaseline(
  areas: OpenAreas,
  { baseline, baselineMemory }: Pick<PackJob, "baseline" | "baselineMemory">,
): OpenBaseline | undefined {
  if (baseline === undefined) return undefined;
  const file = areas.baselines.openFile(baseline);
  try {
    const another = () => new BaselineReader(baselineMemory ? new Memory(baselineMemory) : file);
    return { file, reader: another(), another, [Symbol.dispose]: () => file[Symbol.dispose]() };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}
