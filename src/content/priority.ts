/** The priorities that content Workers may have. */

import { messageOf } from "../errors.ts";
import { type LowerPriority, lowerPriority } from "../linux/mod.ts";

/** How content work shares processors and disks with everything else on the node. */
export type ContentPriority = "normal" | "low" | "idle";

const LOWER: Readonly<Record<Exclude<ContentPriority, "normal">, LowerPriority>> = {
  // A tenth of the weight of a thread of normal priority: enough for whoever answers calls to be next.
  low: { nice: 10, io: "last" },
  idle: { nice: 19, io: "idle" },
};

/**
 * Gives the calling thread a priority, for good. Content work goes on where that is refused, so a
 * refusal is returned, in words, and not thrown.
 */
export function yieldTo(priority: ContentPriority): string | undefined {
  if (priority === "normal") return undefined;
  try {
    lowerPriority(LOWER[priority]);
    return undefined;
  } catch (error) {
    return `Content work does not get the priority "${priority}" of content.priority: ` +
      `${messageOf(error)}; ` +
      "allow setpriority and ioprio_set (SystemCallFilter= of a systemd unit, " +
      'the seccomp profile of a container), or set it to "normal"';
  }
}
