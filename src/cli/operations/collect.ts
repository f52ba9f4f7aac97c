/** `wsdaemon collect`. */

import { Command } from "commander";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { CollectResult } from "../../store/mod.ts";
import type { Operation } from "../../wire/mod.ts";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import {
  addCollectionFlags,
  type CollectionFlags,
  collectionFlags,
  describeCollection,
} from "../collection_report.ts";
import { figureOf } from "./format.ts";
import { DETACH, runInDaemon } from "./run_in_daemon.ts";

const EXAMPLES = `
The daemon deletes what no snapshot or backup needs, as "wsdaemon store gc" does, whose help says how
the grace protects what is being written. Waits until that has ended; Ctrl-C ends the wait and not the
collection, "wsdaemon cancel" does.

Examples:
    $ wsdaemon collect --dry-run
    $ wsdaemon collect --grace 48h --detach
`;

/** Returns `collect`. */
export function collectCommand(): Command {
  return addCollectionFlags(addConnectionFlags(new Command("collect")))
    .option(...DETACH)
    .addHelpText("after", EXAMPLES)
    .action(
      async (flags: Partial<CollectionFlags> & { detach?: true }, command: Command) => {
        const { grace, dryRun, force } = collectionFlags(flags);
        await withSession(command, async (session) => {
          const { operations, call } = session;
          const request = { grace: durationFromMs(grace), dryRun, force };
          const { operation } = await operations.call("runCollection", request, call);
          const describe = (ended: Operation) => describeCollection(resultOf(ended), grace);
          await runInDaemon(operation, session, { detach: flags.detach, describe });
        });
      },
    );
}

/** Returns what a collection's figures say. */
function resultOf(operation: Operation): CollectResult {
  const figure = (name: string) => figureOf(operation, name);
  const tally = (count: string, bytes: string) => ({ count: figure(count), bytes: figure(bytes) });
  return {
    dryRun: figure("dry_run") === 1,
    needsForce: figure("needs_force") === 1,
    blobs: tally("blobs", "blob_bytes"),
    live: tally("live_blobs", "live_bytes"),
    young: tally("young_blobs", "young_bytes"),
    deleted: tally("deleted_blobs", "deleted_bytes"),
    spared: tally("spared_blobs", "spared_bytes"),
    leftovers: tally("removed_leftovers", "removed_leftover_bytes"),
    unknown: figure("unknown_objects"),
  };
}
