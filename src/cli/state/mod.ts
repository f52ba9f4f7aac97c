/** `wsdaemon state`: what the daemon remembers of its workspaces, where that was lost. */

import { Command } from "commander";
import { stateAdoptCommand } from "./adopt.ts";
import { stateCheckCommand } from "./check.ts";

const EXAMPLES = `
Examples:
    $ wsdaemon state check
    $ wsdaemon state adopt --all
`;

/** Returns `state` with its subcommands. */
export function stateCommand(): Command {
  const state = new Command("state").addHelpText("after", EXAMPLES);
  for (const command of [stateCheckCommand(), stateAdoptCommand()]) state.addCommand(command);
  return state;
}
