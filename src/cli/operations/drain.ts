/** `wsdaemon drain`. */

import { Command } from "commander";
import { type Operation, OperationState } from "../../wire/mod.ts";
import { addConnectionFlags, type Session, withSession } from "../client/connect.ts";
import { EXIT, Failure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { Progress } from "../progress.ts";
import { failureWords, fractionOf, printable } from "./format.ts";

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

/** How long one question for progress waits. */
const MAX_WAIT = { nanos: 500_000_000 };

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
        await report(wait ? await ended(operation, session) : operation, session);
      });
    });
}

async function undrain({ operations, call, json }: Session): Promise<void> {
  const { wasDrained } = await operations.call("undrainNode", {}, call);
  if (json) printJson({ wasDrained });
  else printLine(wasDrained ? "the node takes workspaces again" : "the node was not drained");
}

/** Waits until the drain has ended, and shows meanwhile how far it is. */
async function ended(begun: Operation, session: Session): Promise<Operation> {
  const { operations, call, json, quiet } = session;
  const until = call.deadline === undefined ? undefined : performance.now() + call.deadline;
  using progress = new Progress(!json && !quiet && Deno.stderr.isTerminal());
  let operation = begun;
  let revision = "";
  while (operation.state === OperationState.RUNNING) {
    progress.update(lineOf(operation));
    const left = until === undefined ? {} : { deadline: Math.max(1, until - performance.now()) };
    const options = { ...call, ...left };
    const answer = await operations.call(
      "watchOperations",
      { revision, maxWait: MAX_WAIT },
      options,
    );
    revision = answer.revision;
    operation = answer.operations.find(({ id }) => id === operation.id) ?? operation;
  }
  return (await operations.call("getOperation", { id: operation.id }, call)).operation ?? operation;
}

function lineOf(operation: Operation) {
  const fraction = fractionOf(operation);
  const { filesDone = 0n, filesTotal = 0n } = operation.progress ?? {};
  return {
    doing: "draining",
    ...(fraction === undefined ? {} : { fraction }),
    detail: `${filesDone} of ${filesTotal} workspaces`,
  };
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
