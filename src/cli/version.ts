/** `wsdaemon version`. */

import { Command } from "commander";
import manifest from "../../deno.json" with { type: "json" };
import { readBuild } from "../program_files.ts";
import { printJson, printLine } from "./io.ts";

/** The version of wsdaemon, from deno.json. */
export const VERSION: string = manifest.version;

/** Returns in a line what runs: version, commit and its date, runtime, system. */
export function versionLine(): string {
  const { revision, date } = readBuild();
  const commit = date === undefined ? revision : `${revision} of ${date.slice(0, 10)}`;
  const { os, arch } = Deno.build;
  return `wsdaemon ${VERSION} (${commit}, deno ${Deno.version.deno}, ${os} ${arch})`;
}

/** Returns `version`. */
export function versionCommand(): Command {
  return new Command("version")
    .option("--json", "print JSON")
    .action(({ json }: { json?: true }) => {
      const { os, arch } = Deno.build;
      const { revision, date } = readBuild();
      const deno = Deno.version.deno;
      if (!json) printLine(versionLine());
      else printJson({ version: VERSION, revision, ...(date && { date }), deno, os, arch });
    });
}
