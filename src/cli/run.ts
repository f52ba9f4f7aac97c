/** `wsdaemon run`. */

import { Command } from "commander";
import { resolve } from "@std/path";
import { flushLog, printQueued } from "../log/mod.ts";
import { loadConfig } from "../config/mod.ts";
import { runDaemon } from "../process/mod.ts";
import { addConfigFlags, configSources } from "./config_flags.ts";
import { describeFailure, Failure } from "./failure.ts";
import { readBuild } from "../program_files.ts";
import { VERSION } from "./version.ts";

const EXAMPLES = `
Flags win over the environment (WSDAEMON_ROOT, WSDAEMON_GIT_TIMEOUT, ...), which wins over the file.
"wsdaemon config schema" describes every key, "wsdaemon config show" says what they come to.
SIGTERM and SIGINT let running calls end within shutdown.grace; a second one stops at once. SIGHUP has
log.level, log.format and the certificates read again.

Examples:
  Try it, on loopback and with the store inside the root:
    $ wsdaemon run --root /tmp/wsdaemon
  On a node, from a config file, for this machine alone:
    $ wsdaemon run --config /etc/wsdaemon/config.json --listen unix:///run/wsdaemon/api.sock
  For other machines, which need certificates:
    $ wsdaemon run --listen 0.0.0.0:8080 --tls-cert node.pem --tls-key node.key --tls-client-ca ca.pem
`;

/** Returns `run`, which serves until a signal and fails where the daemon did not end in order. */
export function runCommand(): Command {
  return addConfigFlags(new Command("run"))
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const sources = configSources(command);
      const { config, warnings } = loadConfig(sources);
      const { cwd, file } = sources;
      // From here on stderr belongs to the log, and nothing else may write to it.
      let orderly = false;
      try {
        orderly = await runDaemon({
          config,
          version: VERSION,
          revision: readBuild().revision,
          warnings,
          print: printQueued,
          configFile: file === undefined ? undefined : resolve(cwd, file),
          reload: (text) => loadConfig({ ...sources, text }),
        });
      } catch (error) {
        for (const line of describeFailure(error)) printQueued(line, "fatal");
      }
      await flushLog();
      if (!orderly) throw new Failure();
    });
}
