/** `wsdaemon client wait`. */

import { Command } from "commander";
import { printJson, printLine } from "../io.ts";
import { addIdArgument, idOf, withSession } from "./connect.ts";
import { followed } from "./follow.ts";

/** Returns `client wait`. */
export function waitCommand(): Command {
  return addIdArgument(new Command("wait"))
    .description("Wait until a workspace is initialised; fails if its initialisation does")
    .action(async (argument: string | undefined, _options: unknown, command: Command) => {
      const id = idOf(argument, command);
      await withSession(command, async (session) => {
        const { client, call, json } = session;
        await followed(session, id, () => client.waitForInit(id, call));
        if (json) printJson({ id });
        else printLine(`${id} is ready`);
      });
    });
}
