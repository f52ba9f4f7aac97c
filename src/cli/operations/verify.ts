/** `wsdaemon verify`. */

import { Command } from "commander";
import type { Operation } from "../../wire/mod.ts";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import { Failure } from "../failure.ts";
import { formatCount } from "../store/format.ts";
import { describeVerification } from "../verification_report.ts";
import { figureOf, printable } from "./format.ts";
import { DETACH, runInDaemon } from "./run_in_daemon.ts";

const EXAMPLES = `
The daemon reads every blob of the images given, or of all, and compares it with its digest, as
"wsdaemon store verify" does. What is damaged is named with the images that need it, and the exit code
is 1. With --quarantine it is deleted, and the next backup of a workspace that still has the content
stores it anew. Ctrl-C ends the wait and not the verification, "wsdaemon cancel" does.

Examples:
    $ wsdaemon verify
    $ wsdaemon verify wsdaemon:backup/alice/notes --json | jq '.findings'
`;

/** Returns `verify`. */
export function verifyCommand(): Command {
  return addConnectionFlags(new Command("verify"))
    .argument("[url...]", "images; all unless given")
    .option("--quarantine", "delete blobs that fail their digest, so that backups send them anew")
    .option(...DETACH)
    .addHelpText("after", EXAMPLES)
    .action(
      async (
        urls: string[],
        flags: { quarantine?: true; detach?: true },
        command: Command,
      ) => {
        await withSession(command, async (session) => {
          const { operations, call } = session;
          const request = { urls, quarantine: flags.quarantine ?? false };
          const { operation } = await operations.call("runVerification", request, call);
          const ended = await runInDaemon(operation, session, { detach: flags.detach, describe });
          const damaged = ended ? figureOf(ended, "damaged") : 0;
          if (damaged > 0) {
            throw new Failure(`${formatCount(damaged)} blobs or references are damaged`, {
              code: "DATA_LOSS",
            });
          }
        });
      },
    );
}

function describe(operation: Operation): string {
  const { findings } = operation;
  const [damaged, quarantined] = [
    figureOf(operation, "damaged"),
    figureOf(operation, "quarantined"),
  ];
  const checked = {
    images: figureOf(operation, "images"),
    blobs: figureOf(operation, "blobs"),
    bytes: figureOf(operation, "bytes"),
  };
  const untold = damaged - findings.length;
  return [
    ...findings.map((finding) => `damaged: ${printable(finding)}`),
    ...untold > 0 ? [`damaged: ${formatCount(untold)} more, which the daemon's log names`] : [],
    ...quarantined > 0 ? [`deleted: ${formatCount(quarantined)} of them`] : [],
    describeVerification(checked, damaged),
  ].join("\n");
}
