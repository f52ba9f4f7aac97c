/** `wsdaemon client backup`. */

import { Command } from "commander";
import { printJson, printLine } from "../io.ts";
import { addIdArgument, idOf, withSession } from "./connect.ts";
import { followed } from "./follow.ts";

/** Returns `client backup`. */
export function backupCommand(): Command {
  return addIdArgument(new Command("backup"))
    .description("Back a workspace up, in place of its last backup, and print the backup's url")
    .action(async (argument: string | undefined, _options: unknown, command: Command) => {
      const id = idOf(argument, command);
      await withSession(command, async (session) => {
        const { client, call, json } = session;
        const url = await followed(session, id, () => client.backupWorkspace(id, call));
        if (json) printJson({ id, url });
        else printLine(url);
      });
    });
}
