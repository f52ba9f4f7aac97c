/** `wsdaemon version`. */

import { Command } from "commander";
import manifest from "../../deno.json" with { type: "json" };
import { printJson, printLine } from "./io.ts";

/** The version of wsdaemon, from deno.json. */
export const VERSION: string = manifest.version;

/** Returns `version`. */
export function versionCommand(): Command {
  return new Command("version")
    .option("--json", "print JSON")
    .action(({ json }: { json?: true }) => {
      const { os, arch } = Deno.build;
      if (json) printJson({ version: VERSION, deno: Deno.version.deno, os, arch });
      else printLine(`wsdaemon ${VERSION} (deno ${Deno.version.deno}, ${os} ${arch})`);
    });
}
