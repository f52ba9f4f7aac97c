/** `wsdaemon purge`. */

import { Command } from "commander";
import { addConnectionFlags, withSession } from "../client/connect.ts";
import { confirm } from "../confirm.ts";
import { printJson, printLine } from "../io.ts";
import { formatCount } from "../store/format.ts";

const EXAMPLES = `
For requests to delete the data of a person: first dispose of the owner's workspaces on every node (this
one refuses while it has any), then purge the owner on any node that has the store. What only these
images needed is deleted by the first collection that is a grace later ("wsdaemon collect").

Examples:
    $ wsdaemon images ls --owner alice
    $ wsdaemon purge alice
`;

/** Returns `purge`. */
export function purgeCommand(): Command {
  return addConnectionFlags(new Command("purge"))
    .argument("<owner>", "whose images and logs")
    .option("--yes", "ask nothing")
    .addHelpText("after", EXAMPLES)
    .action(async (owner: string, { yes = false }: { yes?: boolean }, command: Command) => {
      if (!yes) {
        const what = `every backup, snapshot and terminal log of ${JSON.stringify(owner)}`;
        confirm(`Delete ${what} from the store? Nobody can bring them back.`, command);
      }
      await withSession(command, async ({ operations, call, json }) => {
        const { images, logs } = await operations.call("deleteOwner", { owner }, call);
        if (json) return printJson({ images: Number(images), logs: Number(logs) });
        const count = (number: bigint, one: string) =>
          `${formatCount(Number(number))} ${one}${number === 1n ? "" : "s"}`;
        printLine(`deleted ${count(images, "image")} and ${count(logs, "log")} of ${owner}`);
      });
    });
}
