/** `wsdaemon store`: looks into the object store, and keeps it in order. */

import { Command } from "commander";
import { catCommand } from "./cat.ts";
import { copyCommand } from "./copy.ts";
import { exportCommand } from "./export.ts";
import { forgetCommand } from "./forget.ts";
import { gcCommand } from "./gc.ts";
import { importCommand } from "./import.ts";
import { lsCommand } from "./ls.ts";
import { rmCommand } from "./rm.ts";
import { addStoreFlags } from "./session.ts";
import { showCommand } from "./show.ts";
import { verifyCommand } from "./verify.ts";

const EXAMPLES = `
The store is the one that a daemon with the same config uses. No daemon is needed, and any may run.
A URL is what a snapshot or backup was answered with, or what "ls" prints; a backup's may leave out
"@sha256:...", which means the latest. Names of files are printed with odd bytes as \\xNN and "\\" as
"\\\\", and are taken in that form too.

Examples:
    $ wsdaemon store ls --owner alice
    $ wsdaemon store show wsdaemon:backup/alice/notes --files src
    $ wsdaemon store cat wsdaemon:backup/alice/notes src/main.ts
    $ wsdaemon store export wsdaemon:backup/alice/notes --tar - | tar -xpC /tmp/notes
    $ wsdaemon store verify --config /etc/wsdaemon/config.json
    $ wsdaemon store rm wsdaemon:backup/alice/notes && wsdaemon store gc
`;

/** Returns `store` with its subcommands. */
export function storeCommand(): Command {
  const store = addStoreFlags(new Command("store"))
    .addHelpText("after", EXAMPLES);
  const commands = [
    lsCommand(),
    showCommand(),
    catCommand(),
    exportCommand(),
    importCommand(),
    copyCommand(),
    verifyCommand(),
    rmCommand(),
    forgetCommand(),
    gcCommand(),
  ];
  for (const command of commands) store.addCommand(command);
  return store;
}
