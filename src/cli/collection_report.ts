/** What commands say of a collection, whoever has run it. */

import type { Command } from "commander";
import { formatDuration } from "../config/mod.ts";
import { type CollectResult, DEFAULT_GRACE_MS } from "../store/mod.ts";
import { printError, table } from "./io.ts";
import { durationParser } from "./option_values.ts";
import { formatCount, formatTally } from "./store/format.ts";

/** A shorter grace gets a warning: a backup under way may take longer than its first blobs are spared. */
const SHORT_GRACE_MS = 3600_000;

/** The values of the flags of a collection. */
export interface CollectionFlags {
  grace: number;
  force: boolean;
  dryRun: boolean;
}

/** Adds the flags that {@link collectionFlags} reads. */
export function addCollectionFlags(command: Command): Command {
  return command
    .option(
      "--grace <duration>",
      'leave blobs alone that are younger, such as "24h"',
      durationParser("24h"),
    )
    .option("--dry-run", "count only, delete nothing")
    .option("--force", "delete even most of the store, or all that is old enough");
}

/** Returns the flags of a collection, and warns on stderr of a grace that may be too short. */
export function collectionFlags(flags: Partial<CollectionFlags>): CollectionFlags {
  const { grace = DEFAULT_GRACE_MS, dryRun = false, force = false } = flags;
  if (grace < SHORT_GRACE_MS && !dryRun) {
    printError(
      `warning: a grace of ${formatDuration(grace)} is safe only while no backup, snapshot or ` +
        "restore takes longer than half of it, on any node",
    );
  }
  return { grace, dryRun, force };
}

/** Returns what a collection came to, as a table. @param grace milliseconds */
export function describeCollection(result: CollectResult, grace: number): string {
  const { dryRun, deleted, live, young, spared, leftovers, unknown, needsForce } = result;
  const rows = [
    [dryRun ? "would delete" : "deleted", formatTally(deleted)],
    ["in use", formatTally(live)],
  ];
  if (young.count > 0) {
    rows.push(["left alone", `${formatTally(young)}, younger than ${formatDuration(grace)}`]);
  }
  if (spared.count > 0) rows.push(["spared", `${formatTally(spared)}, taken up meanwhile`]);
  if (leftovers.count > 0) {
    rows.push(["leftovers", `${formatTally(leftovers)}, of interrupted writers`]);
  }
  if (dryRun && needsForce) rows.push(["refused", "without --force: this is most of the store"]);
  if (unknown > 0) rows.push(["unknown", `${formatCount(unknown)} objects that are no blobs`]);
  return table(rows);
}
