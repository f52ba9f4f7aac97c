import { type ProcessUsage, processUsage as ofProcess } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";

/** Returns what all threads of this process use of what the kernel limits. */
export function processUsage(_areas: OpenAreas, _request: Record<never, never>): ProcessUsage {
  return ofProcess();
}
