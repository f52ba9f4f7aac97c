/** `wsdaemon doctor`. */

import { Command } from "commander";
import type { Check } from "../process/mod.ts";
import { addConfigFlags, loadFromFlags } from "./config_flags.ts";
import { Failure } from "./failure.ts";
import { printError, printJson, printLine } from "./io.ts";

const EXAMPLES = `
Looks at everything that a daemon with this config needs on this machine, and changes nothing that stays:
the root and its file system, free space, kernel, limits, capabilities, git, clock, certificates, runtime;
and the store, by writing, reading and deleting an object. Each line that is not ok says what to do.
Run it as the user that the daemon runs as. Exits 1 if anything failed.

Examples:
    $ wsdaemon doctor --config /etc/wsdaemon/config.json
    $ wsdaemon doctor --json --offline
`;

/** Words of each outcome, in one width. */
const MARKS: Readonly<Record<Check["outcome"], string>> = {
  ok: "ok     ",
  warning: "WARNING",
  failed: "FAILED ",
};

/** Returns `doctor`, which fails where any check has. */
export function doctorCommand(): Command {
  return addConfigFlags(new Command("doctor"))
    .option("--json", "print JSON for machines")
    .option("--offline", "leave the store out")
    .addHelpText("after", EXAMPLES)
    .action(async ({ json, offline }: { json?: true; offline?: true }, command: Command) => {
      const config = loadFromFlags(command);
      const { localChecks, storeChecks } = await import("../process/mod.ts");
      const checks = [
        ...await localChecks(config),
        ...offline ? [] : await storeChecks(config),
      ];
      if (json) printJson({ ok: !checks.some(isFailed), checks });
      else for (const check of checks) printLine(lineOf(check));
      if (checks.some(isFailed)) throw new Failure();
    });
}

/** Prints what is not in order to stderr. @throws {Failure} where anything failed */
export function reportProblems(checks: readonly Check[]): void {
  for (const check of checks) if (check.outcome !== "ok") printError(lineOf(check));
  if (checks.some(isFailed)) throw new Failure("this machine lacks what the config needs");
}

function isFailed({ outcome }: Check): boolean {
  return outcome === "failed";
}

function lineOf({ name, outcome, message, remedy }: Check): string {
  const words = remedy === undefined ? message : `${message}; ${remedy}`;
  return `${MARKS[outcome]}  ${name.padEnd(13)}  ${words}`;
}
