/** `wsdaemon images`: the saved images, as a daemon has them. */

import { Command } from "commander";
import { addConnectionFlags } from "../client/connect.ts";
import { lsCommand } from "./ls.ts";
import { rmCommand } from "./rm.ts";
import { showCommand } from "./show.ts";

const EXAMPLES = `
A daemon is asked, from this machine or another one; "wsdaemon store" opens the store itself.

Examples:
    $ wsdaemon images ls --owner alice
    $ wsdaemon images rm --owner alice --meta-id notes
`;

/** Returns `images` with its subcommands. */
export function imagesCommand(): Command {
  const images = addConnectionFlags(new Command("images")).addHelpText("after", EXAMPLES);
  for (const command of [lsCommand(), showCommand(), rmCommand()]) images.addCommand(command);
  return images;
}
