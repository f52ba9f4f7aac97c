/** `wsdaemon store gc`. */

import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "../../clock.ts";
import { formatDuration, parseDuration } from "../../config/mod.ts";
import { liveBlobs } from "../../snapshot/mod.ts";
import {
  collect,
  type CollectProgress,
  type CollectResult,
  DEFAULT_GRACE_MS,
} from "../../store/mod.ts";
import { printError, printJson, printLine, table } from "../io.ts";
import { Progress, type ProgressLine } from "../progress.ts";
import { formatCount, formatTally } from "./format.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
Deletes blobs that no snapshot or backup needs, while daemons go on writing. What was stored or used
within the grace is left alone: it must be at least twice what the longest backup takes, on any node,
and 24h on S3, where a blob younger than 12h counts as fresh and is not touched.
What would leave nothing, or delete more than half of all blobs or bytes and more than 20 blobs, is
refused without --force: so it looks, too, when references are hidden by a fault.
One collection of a store runs at a time. An interrupted one can be started anew at any moment; the
lock that it leaves behind runs out within five minutes.

Examples:
    $ wsdaemon store gc --dry-run
    $ wsdaemon store gc --config /etc/wsdaemon/config.json --json
`;

/** A shorter grace gets a warning: a backup under way may take longer than its first blobs are spared. */
const SHORT_GRACE_MS = 3600_000;

interface GcFlags {
  grace: number;
  force?: boolean;
  dryRun?: boolean;
}

/** Returns `store gc`. */
export function gcCommand(): Command {
  return new Command("gc")
    .description("Delete what no snapshot or backup needs")
    .option("--grace <duration>", 'leave blobs alone that are younger, such as "24h"', duration)
    .option("--dry-run", "count only, delete nothing")
    .option("--force", "delete even most of the store, or all that is old enough")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: Partial<GcFlags>, command: Command) => {
      const { grace = DEFAULT_GRACE_MS, dryRun = false, force = false } = flags;
      if (grace < SHORT_GRACE_MS && !dryRun) {
        printError(
          `warning: a grace of ${
            formatDuration(grace)
          } is safe only while no backup, snapshot or ` +
            "restore takes longer than half of it, on any node",
        );
      }
      await withStore(command, async ({ store, signal, json }) => {
        using progress = new Progress();
        const result = await collect(store, {
          mark: (signal) => liveBlobs(store, signal),
          graceMs: grace,
          dryRun,
          force,
          clock: systemClock,
          onProgress: (done) => progress.update(lineOf(done)),
          signal,
        });
        progress[Symbol.dispose]();
        if (json) printJson({ ...result, graceMs: grace });
        else printLine(describe(result, grace));
      });
    });
}

function lineOf({ phase, done, total }: CollectProgress): ProgressLine {
  if (phase === "mark") return { doing: "marking", detail: "reading references" };
  if (phase === "list") return { doing: "listing", detail: `${formatCount(done)} blobs` };
  return {
    doing: "deleting",
    ...(total ? { fraction: done / total } : {}),
    detail: `${formatCount(done)}${total ? ` of ${formatCount(total)}` : ""} blobs`,
  };
}

function describe(result: CollectResult, grace: number): string {
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

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) {
    throw new InvalidArgumentError('Expected a duration such as "24h".');
  }
  return milliseconds;
}
