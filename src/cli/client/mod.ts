/** `wsdaemon client`: the API from a shell. */

import { Command } from "commander";
import { backupCommand } from "./backup.ts";
import { addConnectionFlags } from "./connect.ts";
import { disposeCommand } from "./dispose.ts";
import { existsCommand } from "./exists.ts";
import { initCommand } from "./init.ts";
import { snapshotCommand } from "./snapshot.ts";
import { waitCommand } from "./wait.ts";

const EXAMPLES = `
Results go to stdout, errors to stderr with the name of their gRPC code.

Examples:
    $ wsdaemon client init --id w1 --owner alice --meta-id notes --empty
    $ url=$(wsdaemon client snapshot w1)
    $ wsdaemon client init --id w2 --owner bob --meta-id copy --snapshot "$url"
    $ wsdaemon client --addr unix:///run/wsdaemon/api.sock --json dispose w1 --backup
    $ wsdaemon client --addr node7:8080 --tls-ca ca.pem --tls-cert me.pem --tls-key me.key exists w1
`;

/** Returns `client` with its subcommands. */
export function clientCommand(): Command {
  const client = addConnectionFlags(new Command("client"))
    .addHelpText("after", EXAMPLES);
  const commands = [
    initCommand(),
    waitCommand(),
    existsCommand(),
    snapshotCommand(),
    backupCommand(),
    disposeCommand(),
  ];
  for (const command of commands) client.addCommand(command);
  return client;
}
