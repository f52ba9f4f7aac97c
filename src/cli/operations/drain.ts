/** `wsdaemon drain`. */

import { Command } from "commander";
import { type Operation, OperationState } from "../../wire/mod.ts";
import { addConnectionFlags, type Session, withSession } from "../client/connect.ts";
import { EXIT, Failure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { failureWords, printable } from "./format.ts";
import { untilEnded } from "./until_ended.ts";

const EXAMPLES = `
Has the node refuse new workspaces (UNAVAILABLE, NODE_DRAINING; /readyz says so), and backs every
workspace up that has changed since its last backup. Workspaces stay, and can be used, backed up and
disposed of. That lasts, also over restarts of the daemon, until --undo.
Interrupting the command does not end the drain; the same command joins it, or begins it again: what
is backed up already costs next to nothing.
Exit code 0 once every workspace that may be stored is backed up, 1 where one could not be, 3 where
--timeout passed before, 4 where somebody cancelled or undid it.

Examples:
    $ wsdaemon drain
    $ wsdaemon drain --no-wait
    $ wsdaemon drain --undo
`;

interface DrainFlags {
  undo?: boolean;
  wait: boolean;
}

/** Returns `drain`. */
export function drainCommand(): Command {
  return addConnectionFlags(new Command("drain"))
    .option("--undo", "take new workspaces again")
    .option("--no-wait", "do not wait for the backups")
    .addHelpText("after", EXAMPLES)
    .action(async ({ undo, wait }: DrainFlags, command: Command) => {
      await withSession(command, async (session) => {
        if (undo) return await undrain(session);
        const { operation } = await session.operations.call("drainNode", {}, session.call);
        if (!operation) throw new Failure("The daemon says nothing of the drain");
        await report(wait ? await untilEnded(operation, session) : operation, session);
      });
    });
}

async function undrain({ operations, call, json }: Session): Promise<void> {
  const { wasDrained } = await operations.call("undrainNode", {}, call);
  if (json) printJson({ wasDrained });
  else printLine(wasDrained ? "the node takes workspaces again" : "the node was not drained");
}

/** Prints how the drain ended. @throws {Failure} where not everything is backed up */
async function report(operation: Operation, { json }: Session): Promise<void> {
  const { id, state, figures, findings } = operation;
  if (json) {
    const { operationToJson } = await import("../../client/mod.ts");
    printJson(operationToJson(operation));
  } else {
    for (const finding of findings) printError(printable(finding));
    if (state === OperationState.RUNNING) printLine(`draining, as operation ${id}`);
    else if (state === OperationState.SUCCEEDED) {
      const { workspaces = 0n, stored = 0n, unchanged = 0n, excluded = 0n } = figures;
      const rest = excluded > 0n ? `, ${excluded} that must not be stored` : "";
      printLine(
        `drained: ${workspaces} workspaces, ${stored} backed up, ${unchanged} unchanged${rest}`,
      );
    }
  }
  if (state === OperationState.FAILED) {
    throw new Failure(`The node is not drained: ${failureWords(operation)}`);
  }
  if (state === OperationState.CANCELLED) {
    throw new Failure(`The drain was ended: ${failureWords(operation)}`, {
      exitCode: EXIT.cancelled,
    });
  }
}
