/** `wsdaemon ops`. */

import { Command } from "commander";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import { printJson, printLine, table } from "../io.ts";
import { asTree, OPERATION_HEADINGS, operationRow } from "./format.ts";

const EXAMPLES = `
Steps of an operation are indented below it. "wsdaemon cancel ID" cancels one that is no step.

Examples:
    $ wsdaemon ops
    $ wsdaemon ops --all --workspace w1
    $ wsdaemon ops --all --json | jq '.[] | select(.state == "OPERATION_STATE_FAILED")'
`;

/** Returns `ops`. */
export function opsCommand(): Command {
  return addConnectionFlags(new Command("ops"))
    .option("--all", "those that have ended, too")
    .option("--workspace <id>", "on this workspace only")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: { all?: true; workspace?: string }, command: Command) => {
      await withSession(command, async ({ operations: client, call, json }) => {
        const filter = { workspaceId: flags.workspace ?? "", runningOnly: flags.all !== true };
        const operations = await Array.fromAsync(client.operations(filter, call));
        if (json) {
          const { operationToJson } = await import("../../client/mod.ts");
          return printJson(operations.map(operationToJson));
        }
        const now = Date.now();
        const rows = asTree(operations)
          .map(({ operation, depth }) => operationRow(operation, depth, now));
        if (rows.length > 0) printLine(table([OPERATION_HEADINGS, ...rows]));
      });
    });
}
