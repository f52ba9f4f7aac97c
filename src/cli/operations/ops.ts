/** `wsdaemon ops`. */

import { Command } from "commander";
import type { CallOptions, OperationsClient } from "../../client/mod.ts";
import type { Operation } from "../../wire/mod.ts";
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

/** Operations in one answer. */
const PAGE_SIZE = 500;

/** Returns `ops`. */
export function opsCommand(): Command {
  return addConnectionFlags(new Command("ops"))
    .option("--all", "those that have ended, too")
    .option("--workspace <id>", "on this workspace only")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: { all?: true; workspace?: string }, command: Command) => {
      await withSession(command, async ({ client, call, json }) => {
        const operations = await listOperations(client.operations, {
          workspaceId: flags.workspace ?? "",
          runningOnly: flags.all !== true,
        }, call);
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

/** Returns all operations that there are, from as many pages as that takes. */
export async function listOperations(
  client: OperationsClient,
  filter: { workspaceId?: string; runningOnly?: boolean; rootsOnly?: boolean },
  call: CallOptions,
): Promise<Operation[]> {
  const operations: Operation[] = [];
  let pageToken = "";
  do {
    const request = { ...filter, pageToken, pageSize: PAGE_SIZE };
    const page = await client.call("listOperations", request, call);
    operations.push(...page.operations);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return operations;
}
