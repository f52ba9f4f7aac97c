/** What the commands of pools share: their flags, and how a plan is carried out. */

import { type Command, Option } from "commander";
import { resolve } from "@std/path";
import { type Config } from "../../config/mod.ts";
import { DaemonError } from "../../errors.ts";
import { imageOfUnit, type Plan, type PoolPlace, UNITS } from "../../pool/mod.ts";
import { addConfigFlags, loadFromFlags } from "../config_flags.ts";
import { localFailure } from "../failure.ts";
import { printError, printLine } from "../io.ts";
import { sizeParser } from "../option_values.ts";

/** The flags that {@link placeOf} reads. */
interface PlaceFlags {
  file?: string;
  units: string;
}

/** Adds the flags that say where a pool is. */
export function addPlaceFlags(command: Command): Command {
  return addConfigFlags(command, ["root"])
    .option("--file <file>", "the image; ROOT.img beside the root unless given, or what is mounted")
    .option("--units <dir>", "the folder of systemd's units", UNITS);
}

/** Returns the flag of a pool's size. */
export function sizeOption(): Option {
  return new Option("--size <size>", 'the size that it is to have, such as "200GiB"')
    .argParser(sizeParser("200GiB")).makeOptionMandatory();
}

/** Returns where the pool is that the flags given to `command` name, and the config. @throws {ConfigError} */
export function placeOf(command: Command): { place: PoolPlace; config: Config } {
  const config = loadFromFlags(command);
  const { file, units: folder } = command.opts<PlaceFlags>();
  const { root } = config;
  const units = resolve(folder);
  const image = file === undefined ? imageOfUnit(root, units) ?? `${root}.img` : resolve(file);
  return { place: { root, file: image, units }, config };
}

/**
 * Carries a plan out, or says it.
 * @throws {DaemonError} PERMISSION_DENIED where that takes root; else naming the step that failed, with
 *   those before it done
 */
export async function carryOut({ steps, warnings }: Plan, dryRun = false): Promise<void> {
  for (const warning of warnings) printError(`warning: ${warning}`);
  if (steps.length === 0) printLine("All of it is there already.");
  else if (!dryRun && Deno.uid() !== 0) {
    throw new DaemonError("PERMISSION_DENIED", "Only root can do that; --dry-run says what it is");
  }
  for (const { verb: [todo, done], object, act } of steps) {
    if (dryRun) {
      printLine(`would ${todo} ${object}`);
      continue;
    }
    try {
      await act();
    } catch (error) {
      throw localFailure(error, `Cannot ${todo} ${object}`);
    }
    printLine(`${done} ${object}`);
  }
}
