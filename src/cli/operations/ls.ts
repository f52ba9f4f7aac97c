/** `wsdaemon ls`. */

import { Command } from "commander";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import { printError, printJson, printLine, table } from "../io.ts";
import { printable, WORKSPACE_HEADINGS, workspaceRow } from "./format.ts";

const EXAMPLES = `
USED is "-" where the file system does not count it; "wsdaemon status ID" counts. LAST IMAGE is the age
of the newest backup or snapshot of the owner and meta_id, "?" where the store does not say.

Examples:
    $ wsdaemon ls
    $ wsdaemon ls --owner alice --json | jq -r '.[] | select(.lastImage == null) | .id'
`;

/** Returns `ls`. */
export function lsCommand(): Command {
  return addConnectionFlags(new Command("ls"))
    .option("--owner <owner>", "of this owner only")
    .addHelpText("after", EXAMPLES)
    .action(async ({ owner = "" }: { owner?: string }, command: Command) => {
      await withSession(command, async ({ operations, call, json }) => {
        const workspaces = await Array.fromAsync(operations.workspaces({ owner }, call));
        if (json) {
          const { workspaceToJson } = await import("../../client/mod.ts");
          return printJson(workspaces.map(workspaceToJson));
        }
        const now = Date.now();
        const rows = workspaces.map((workspace) => workspaceRow(workspace, now));
        if (rows.length > 0) printLine(table([WORKSPACE_HEADINGS, ...rows]));
        const problem = workspaces.find(({ lastImageProblem }) => lastImageProblem !== "");
        if (problem) printError(`warning: ${printable(problem.lastImageProblem)}`);
      });
    });
}
