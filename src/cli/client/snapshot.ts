/** `wsdaemon client snapshot`. */

import { Command } from "commander";
import { printJson, printLine } from "../io.ts";
import { addIdArgument, idOf, withSession } from "./connect.ts";
import { followed } from "./follow.ts";

/** Returns `client snapshot`. */
export function snapshotCommand(): Command {
  return addIdArgument(new Command("snapshot"))
    .description("Take a snapshot of a workspace and print its url")
    .option("--return-immediately", "answer once it is started; its url is valid when it is done")
    .action(async (argument: string | undefined, _options: unknown, command: Command) => {
      const id = idOf(argument, command);
      const returnImmediately: boolean = command.opts().returnImmediately ?? false;
      await withSession(command, async (session) => {
        const { client, call, json } = session;
        const url = await followed(
          session,
          id,
          () => client.takeSnapshot({ id, returnImmediately }, call),
        );
        if (json) printJson({ id, url });
        else printLine(url);
      });
    });
}
