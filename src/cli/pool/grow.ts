/** `wsdaemon pool grow`. */

import { Command } from "commander";
import { planGrowth } from "../../pool/mod.ts";
import { localFailure } from "../failure.ts";
import { addPlaceFlags, carryOut, placeOf, sizeOption } from "./pool_flags.ts";

const EXAMPLES = `
The pool has to be mounted, and the daemon may run. A pool does not get smaller. Where this is cut short,
run it again.

Examples:
    $ wsdaemon pool grow --size 400GiB
`;

/** Returns `pool grow`. */
export function growCommand(): Command {
  return addPlaceFlags(new Command("grow"))
    .description("Make a pool larger, while it is used")
    .addOption(sizeOption())
    .option("--dry-run", "say what would be done, and do nothing")
    .addHelpText("after", EXAMPLES)
    .action(async ({ size, dryRun }: { size: number; dryRun?: true }, command: Command) => {
      const { place } = placeOf(command);
      try {
        await carryOut(await planGrowth(place, size), dryRun);
      } catch (error) {
        throw localFailure(error, "Cannot grow the pool", place.file);
      }
    });
}
