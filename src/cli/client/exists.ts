/** `wsdaemon client exists`. */

import { Command } from "commander";
import { printJson, printLine } from "../io.ts";
import { addIdArgument, idOf, withSession } from "./connect.ts";

/** Returns `client exists`. */
export function existsCommand(): Command {
  return addIdArgument(new Command("exists"))
    .description("Print whether the daemon knows a workspace, in whatever state: true or false")
    .action(async (argument: string | undefined, _options: unknown, command: Command) => {
      const id = idOf(argument, command);
      await withSession(command, async ({ client, call, json }) => {
        const exists = await client.isWorkspaceExists(id, call);
        if (json) printJson({ id, exists });
        else printLine(String(exists));
      });
    });
}
