/** `wsdaemon pool status`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import { mountCommand, type PoolStatus, poolStatus } from "../../pool/mod.ts";
import { describeFileSystem } from "../../errors.ts";
import { localFailure } from "../failure.ts";
import { printJson, printLine, table } from "../io.ts";
import { addPlaceFlags, placeOf } from "./pool_flags.ts";

const EXAMPLES = `
Examples:
    $ wsdaemon pool status
    $ wsdaemon pool status --json --config /etc/wsdaemon/config.json
`;

/** Returns `pool status`. */
export function poolStatusCommand(): Command {
  return addPlaceFlags(new Command("status"))
    .description("Show a pool: its size, what it takes, and where it is mounted")
    .option("--json", "print JSON for machines")
    .addHelpText("after", EXAMPLES)
    .action(async ({ json }: { json?: true }, command: Command) => {
      const { place } = placeOf(command);
      try {
        const status = await poolStatus(place);
        if (json) printJson(status);
        else printLine(table(rowsOf(status)));
      } catch (error) {
        throw localFailure(error, "Cannot look at the pool", place.file);
      }
    });
}

function rowsOf(status: PoolStatus): string[][] {
  const { place, fileBytes, takenBytes, superblock, disk, mounted, units } = status;
  const { totalBytes, uuid } = superblock;
  const rows = [
    [
      "image",
      `${place.file}, ${formatSize(fileBytes)}, of which ${formatSize(takenBytes)} are taken`,
    ],
    ["disk", `${describeFileSystem(place.file)}, ${formatSize(disk.free)} free`],
    ["file system", `btrfs ${uuid}, ${formatSize(totalBytes)}`],
    ["mounted", mountedWords(status)],
    ["units", units.length === 0 ? "in place" : `missing or changed: ${units.join(", ")}`],
  ];
  const more = fileBytes - takenBytes;
  if (more > disk.free) {
    const words =
      `the pool may come to take ${formatSize(more)} more than it does, and its disk has ` +
      "less: make room there before it does";
    rows.push(["warning", words]);
  }
  if (totalBytes < fileBytes) {
    rows.push(["warning", `the file system is smaller than its image: pool grow ends that`]);
  }
  if (mounted && units.length > 0) rows.push(["warning", "pool create writes the units"]);
  return rows;
}

function mountedWords({ place, mounted }: PoolStatus): string {
  if (!mounted) return `no: ${mountCommand(place)}`;
  const { device, space: { free, size } } = mounted;
  return `at ${place.root} by ${device.path}, ${formatSize(free)} of ${formatSize(size)} free`;
}
