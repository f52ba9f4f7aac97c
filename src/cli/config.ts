/** `wsdaemon config validate|show|schema`. */

import { Command } from "commander";
import { configJsonSchema, showConfig } from "../config/mod.ts";
import { addConfigFlags, loadFromFlags } from "./config_flags.ts";
import { reportProblems } from "./doctor.ts";
import { printJson, printLine } from "./io.ts";

const EXAMPLES = `
Examples:
  Check a file before the daemon is restarted with it:
    $ wsdaemon config validate --config /etc/wsdaemon/config.json
  See what flags, environment, file and defaults come to:
    $ WSDAEMON_GIT_TIMEOUT=2m wsdaemon config show --config /etc/wsdaemon/config.json
  Let an editor complete the keys:
    $ wsdaemon config schema > wsdaemon.schema.json
`;

/** Returns `config` with its subcommands. */
export function configCommand(): Command {
  const config = new Command("config")
    .addHelpText("after", EXAMPLES);
  config.addCommand(
    addConfigFlags(new Command("validate"))
      .description(
        "Check the config that these flags, the environment and the file make, and that this " +
          "machine has what it needs (doctor looks at the store, too)",
      )
      .option("--file-only", "do not look at this machine, which is not the one to run on")
      .action(async ({ fileOnly }: { fileOnly?: true }, command: Command) => {
        const config = loadFromFlags(command);
        if (!fileOnly) {
          const { localChecks } = await import("../process/mod.ts");
          reportProblems(await localChecks(config));
        }
        printLine("The config is valid.");
      }),
  );
  config.addCommand(
    addConfigFlags(new Command("show"))
      .description("Print that config, whole, with secrets covered")
      .action((_options: unknown, command: Command) => {
        printJson(showConfig(loadFromFlags(command)));
      }),
  );
  config.addCommand(
    new Command("schema")
      .description("Print the JSON Schema of the config file")
      .action(() => printJson(configJsonSchema())),
  );
  return config;
}
