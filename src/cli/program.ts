/** The command line: every command, and what its failures become. */

import { Command, CommanderError } from "commander";
import { configureFileSystems } from "../errors.ts";
import { readFileSystems } from "../process/mod.ts";
import { describeFailure } from "./failure.ts";
import { printError, printErrorText, printText } from "./io.ts";
import { VERSION, versionCommand } from "./version.ts";

/** What a process answers: all went well, something failed, or it was asked wrongly. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

const EXAMPLES = `
Examples:
  Start a daemon, and take a workspace through its life from another shell:
    $ wsdaemon run --root /tmp/wsdaemon
    $ wsdaemon client init --id w1 --owner alice --meta-id notes --git https://github.com/denoland/std
    $ wsdaemon client snapshot w1
    $ wsdaemon client dispose w1 --backup

Exit codes: 0 done, 1 failed, 2 asked wrongly. "wsdaemon help COMMAND" says more on a command.
`;

/** In the order of the help. Loading the code of all takes longer than most of them run. */
const COMMANDS: Record<string, () => Command | Promise<Command>> = {
  run: async () => (await import("./run.ts")).runCommand(),
  client: async () => (await import("./client/mod.ts")).clientCommand(),
  store: async () => (await import("./store/mod.ts")).storeCommand(),
  config: async () => (await import("./config.ts")).configCommand(),
  version: versionCommand,
};

/** Runs one command line and resolves to its exit code. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  configureFileSystems(readFileSystems);
  try {
    await (await program(args)).parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    return exitCodeOf(error);
  }
}

/** With the one command that `args` begin with, or else with all: for the help, and for hints. */
async function program([name = ""]: readonly string[]): Promise<Command> {
  const root = new Command("wsdaemon")
    .description("Looks after the content of the workspaces on a node")
    .version(VERSION)
    .addHelpText("after", EXAMPLES);
  const named = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : Object.values(COMMANDS);
  for (const load of named) root.addCommand(await load());
  return throwing(root);
}

/** Makes commander throw instead of ending the process, for every command below `command` too. */
function throwing(command: Command): Command {
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help says more)")
    .configureOutput({
      writeOut: printText,
      writeErr: printErrorText,
    });
  for (const child of command.commands) throwing(child);
  return command;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  for (const line of describeFailure(error)) printError(line);
  return EXIT.failure;
}
