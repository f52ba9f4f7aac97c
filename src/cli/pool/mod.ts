/** `wsdaemon pool`: a btrfs in a file, for nodes whose disk has another file system. */

import { Command } from "commander";
import { createCommand } from "./create.ts";
import { growCommand } from "./grow.ts";
import { poolStatusCommand } from "./status.ts";

const EXAMPLES = `
On btrfs workspaces start in milliseconds, quotas hold for every process, and saves cost what has
changed. A pool is a btrfs in a file, which systemd mounts at the root before the daemon starts.

Examples:
    $ wsdaemon pool create --size 200GiB
    $ wsdaemon pool status
    $ wsdaemon pool grow --size 400GiB
`;

/** Returns `pool` with its subcommands. */
export function poolCommand(): Command {
  const pool = new Command("pool").addHelpText("after", EXAMPLES);
  for (const command of [createCommand(), poolStatusCommand(), growCommand()]) {
    pool.addCommand(command);
  }
  return pool;
}
