/** `wsdaemon pool create`. */

import { Command } from "commander";
import { mountCommand, planCreation } from "../../pool/mod.ts";
import { localFailure } from "../failure.ts";
import { printLine } from "../io.ts";
import { addPlaceFlags, carryOut, placeOf, sizeOption } from "./pool_flags.ts";

const EXAMPLES = `
Makes a sparse file with a btrfs in it, a unit that mounts it at the root, and a drop-in that gives the
service the one capability more that btrfs asks for. Running it again does what is missing. It
refuses where the file is something else, or the root holds anything. Nothing is mounted or started.

Examples:
    $ wsdaemon pool create --size 200GiB --dry-run
    $ wsdaemon pool create --size 200GiB --file /srv/pool.img --config /etc/wsdaemon/config.json
`;

/** Returns `pool create`. */
export function createCommand(): Command {
  return addPlaceFlags(new Command("create"))
    .description("Make a pool and the units that mount it")
    .addOption(sizeOption())
    .option("--dry-run", "say what would be done, and do nothing")
    .addHelpText("after", EXAMPLES)
    .action(async ({ size, dryRun }: { size: number; dryRun?: true }, command: Command) => {
      const { place, config } = placeOf(command);
      try {
        await carryOut(await planCreation(place, size), dryRun);
      } catch (error) {
        throw localFailure(error, "Cannot make a pool");
      }
      if (dryRun) return;
      if (config.quota.driver !== "btrfs") {
        printLine(
          'next: set "quota": { "driver": "btrfs" } in the config, for quotas that are live',
        );
      }
      printLine(`next: ${mountCommand(place)}, then systemctl restart wsdaemon`);
    });
}
