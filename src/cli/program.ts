/** The root command: loads the subcommand that runs, and turns failures into exit codes. */

import { Command, CommanderError } from "commander";
import { configureFileSystems } from "../errors.ts";
import { readFileSystems } from "../mounts.ts";
import { describeFailure } from "./failure.ts";
import { printError, printErrorText, printText } from "./io.ts";
import { VERSION, versionCommand } from "./version.ts";

/** Exit codes: success, a failed command, a malformed command line. */
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

/** The commands in the order of the help, each loaded on demand: loading all takes longer than most run. */
const COMMANDS: Record<string, () => Command | Promise<Command>> = {
  run: async () => (await import("./run.ts")).runCommand(),
  client: async () => (await import("./client/mod.ts")).clientCommand(),
  store: async () => (await import("./store/mod.ts")).storeCommand(),
  config: async () => (await import("./config.ts")).configCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
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

/**
 * Returns the root command with the subcommand that the arguments begin with, or with all of them where
 * they begin with none: the help and the hints name all.
 */
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

/** Prints what a failure is, if commander has not, and returns the exit code. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  for (const line of describeFailure(error)) printError(line);
  return EXIT.failure;
}
