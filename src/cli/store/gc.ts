/** `wsdaemon store gc`. */

import { Command } from "commander";
import { systemClock } from "../../clock.ts";
import { liveBlobs } from "../../snapshot/mod.ts";
import { collect, type CollectProgress } from "../../store/mod.ts";
import {
  addCollectionFlags,
  type CollectionFlags,
  collectionFlags,
  describeCollection,
} from "../collection_report.ts";
import { printJson, printLine } from "../io.ts";
import { Progress, type ProgressLine } from "../progress.ts";
import { formatCount } from "./format.ts";
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

/** Returns `store gc`. */
export function gcCommand(): Command {
  return addCollectionFlags(new Command("gc"))
    .description("Delete what no snapshot or backup needs")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: Partial<CollectionFlags>, command: Command) => {
      const { grace, dryRun, force } = collectionFlags(flags);
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
        else printLine(describeCollection(result, grace));
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
