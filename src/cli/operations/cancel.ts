/** `wsdaemon cancel`. */

import { Command } from "commander";
import { OperationState } from "../../wire/mod.ts";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import { Failure } from "../failure.ts";
import { printJson, printLine } from "../io.ts";
import { failureWords, kindName, outcomeName } from "./format.ts";

const EXAMPLES = `
Waits until the operation has ended. What that leaves: of an init nothing, of a backup the previous
one, of a disposal the workspace as it was. A snapshot that was promised is given up: its url never
becomes valid. Exit code 1 where the operation ended in another way.

Examples:
    $ wsdaemon ops
    $ wsdaemon cancel 9f3b6c0a1d2e4f58
`;

/** Returns `cancel`. */
export function cancelCommand(): Command {
  return addConnectionFlags(new Command("cancel"))
    .argument("<operation>", 'its id, as "wsdaemon ops" shows it')
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, _options: unknown, command: Command) => {
      await withSession(command, async ({ operations, call, json }) => {
        const { operation } = await operations.call("cancelOperation", { id }, call);
        if (!operation) throw new Failure(`The daemon says nothing of operation ${id}`);
        const { state, kind, workspaceId } = operation;
        if (json) {
          const { operationToJson } = await import("../../client/mod.ts");
          printJson(operationToJson(operation));
        } else if (state === OperationState.CANCELLED) {
          const of = workspaceId === "" ? "" : ` of ${workspaceId}`;
          printLine(`${kindName(kind)}${of} is cancelled`);
        }
        if (state === OperationState.CANCELLED) return;
        const why = failureWords(operation);
        throw new Failure(
          `Operation ${id} was not cancelled: it has ${outcomeName(state)}${why && `, ${why}`}`,
        );
      });
    });
}
