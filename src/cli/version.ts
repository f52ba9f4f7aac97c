/** `wsdaemon version`. */

import { Command } from "commander";
import manifest from "../../deno.json" with { type: "json" };
import { printJson, printLine } from "./io.ts";

/** The version of wsdaemon, from deno.json. */
export const VERSION: string = manifest.version;

/** Where `scripts/compile.ts` puts the commit for the binary to carry. */
const REVISION_FILE = new URL("../../dist/revision.txt", import.meta.url);

/** Returns the commit that this binary was compiled from; `source` where wsdaemon runs from its sources. */
export function revision(): string {
  if (!Deno.build.standalone) return "source";
  try {
    return Deno.readTextFileSync(REVISION_FILE).trim();
  } catch {
    return "unknown";
  }
}

/** Returns `version`. */
export function versionCommand(): Command {
  return new Command("version")
    .option("--json", "print JSON")
    .action(({ json }: { json?: true }) => {
      const { os, arch } = Deno.build;
      const commit = revision();
      const deno = Deno.version.deno;
      if (json) printJson({ version: VERSION, revision: commit, deno, os, arch });
      else printLine(`wsdaemon ${VERSION} (${commit}, deno ${deno}, ${os} ${arch})`);
    });
}
