/** The root command: loads the subcommand that runs, and turns failures into exit codes. */

import { Command, CommanderError } from "commander";
import { ConfigError, configureFileSystems } from "../errors.ts";
import { readFileSystems } from "../mounts.ts";
import { describeFailure, EXIT, Failure, type FailureJson, failureJson } from "./failure.ts";
import { printError, printErrorText, printText } from "./io.ts";
import { VERSION, versionCommand, versionLine } from "./version.ts";

const EXAMPLES = `
Examples:
  Start a daemon, and take a workspace through its life from another shell:
    $ wsdaemon run --root /tmp/wsdaemon
    $ wsdaemon client init --id w1 --owner alice --meta-id notes --git https://github.com/denoland/std
    $ wsdaemon client snapshot w1
    $ wsdaemon client dispose w1 --backup

Exit codes: 0 done, 1 failed, 2 asked wrongly, 3 --timeout passed, 4 somebody cancelled it, 78
configured wrongly, 130 interrupted. "wsdaemon help COMMAND" says more on a command.
`;

/** A command below the root: its line in the help, and how it is made. */
interface Subcommand {
  readonly description: string;
  load(): Promise<Command>;
}

/**
 * The commands in the order of the help. Each is loaded only when it runs or tells of itself: loading
 * them takes longer than most of them run.
 */
const COMMANDS: Readonly<Record<string, Subcommand>> = {
  run: {
    description: "Serve the workspace content API until SIGTERM",
    load: async () => (await import("./run.ts")).runCommand(),
  },
  client: {
    description: "Call a running daemon",
    load: async () => (await import("./client/mod.ts")).clientCommand(),
  },
  ls: {
    description: "List the workspaces of a node",
    load: async () => (await import("./operations/ls.ts")).lsCommand(),
  },
  status: {
    description: "Show a node, a workspace or a snapshot",
    load: async () => (await import("./operations/status.ts")).statusCommand(),
  },
  ops: {
    description: "List what runs on a node, and how far it is",
    load: async () => (await import("./operations/ops.ts")).opsCommand(),
  },
  top: {
    description: "Watch what runs on a node",
    load: async () => (await import("./operations/top.ts")).topCommand(),
  },
  cancel: {
    description: "Cancel an operation",
    load: async () => (await import("./operations/cancel.ts")).cancelCommand(),
  },
  images: {
    description: "List, show and forget saved images through a daemon",
    load: async () => (await import("./images/mod.ts")).imagesCommand(),
  },
  collect: {
    description: "Have a daemon delete what no saved image needs",
    load: async () => (await import("./operations/collect.ts")).collectCommand(),
  },
  verify: {
    description: "Have a daemon check the digests of saved images",
    load: async () => (await import("./operations/verify.ts")).verifyCommand(),
  },
  purge: {
    description: "Delete everything that the store has of an owner",
    load: async () => (await import("./operations/purge.ts")).purgeCommand(),
  },
  drain: {
    description: "Back every workspace of a node up, and have it take no new ones",
    load: async () => (await import("./operations/drain.ts")).drainCommand(),
  },
  store: {
    description: "Look into the object store, and keep it in order",
    load: async () => (await import("./store/mod.ts")).storeCommand(),
  },
  pool: {
    description: "Make a btrfs in a file for the root, and enlarge it",
    load: async () => (await import("./pool/mod.ts")).poolCommand(),
  },
  state: {
    description: "Compare a stopped daemon's journal with its content, and adopt what it has lost",
    load: async () => (await import("./state/mod.ts")).stateCommand(),
  },
  config: {
    description: "Check, show and describe the config",
    load: async () => (await import("./config.ts")).configCommand(),
  },
  doctor: {
    description: "Check whether this machine has what the daemon needs",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
  completion: {
    description: "Print completions for a shell",
    load: async () => (await import("./completion.ts")).completionCommand(wholeProgram),
  },
  man: {
    description: "Print the manual page",
    load: async () => (await import("./man.ts")).manCommand(wholeProgram, VERSION),
  },
  version: {
    description: "Print the versions of wsdaemon and of the Deno it runs on",
    load: () => Promise.resolve(versionCommand()),
  },
};

/** Runs one command line and resolves to its exit code. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  configureFileSystems(readFileSystems);
  try {
    await (await program(args)).parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    return exitCodeOf(error, args.includes("--json"));
  }
}

/**
 * Returns the root command. Of its subcommands only the one that the arguments name is whole; the
 * others have what the help and the hints say of them.
 */
async function program(args: readonly string[]): Promise<Command> {
  const named = args[0] === "help" || args[0] === "--" ? args[1] : args[0];
  const root = await programWith((name) => name === named);
  return throwing(root, args.includes("--json"));
}

/** Returns the root command with everything below it. */
function wholeProgram(): Promise<Command> {
  return programWith(() => true);
}

async function programWith(isWhole: (name: string) => boolean): Promise<Command> {
  const root = new Command("wsdaemon")
    .description("Looks after the content of the workspaces on a node")
    .version(versionLine())
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", EXAMPLES);
  for (const [name, { description, load }] of Object.entries(COMMANDS)) {
    const command = isWhole(name) ? await load() : new Command(name);
    root.addCommand(command.description(description));
  }
  return root;
}

/**
 * Makes commander throw instead of ending the process, for every command below `command` too.
 * @param json whether its own errors are printed as JSON, by who catches them
 */
function throwing(command: Command, json: boolean): Command {
  command
    .exitOverride()
    .configureHelp({ ...command.configureHelp(), showGlobalOptions: true })
    .showHelpAfterError("(--help says more)")
    .configureOutput({
      writeOut: printText,
      writeErr: json ? () => {} : printErrorText,
    });
  for (const child of command.commands) throwing(child, json);
  return command;
}

/** Prints what a failure is, if commander has not, and returns the exit code. */
function exitCodeOf(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const message = error.message.replace(/^error: /, "");
    if (json) printFailure({ code: "INVALID_ARGUMENT", message });
    return EXIT.usage;
  }
  if (json) printFailure(failureJson(error));
  else for (const line of describeFailure(error)) printError(line);
  if (error instanceof ConfigError) return EXIT.config;
  return error instanceof Failure ? error.exitCode : EXIT.failure;
}

function printFailure(failure: FailureJson | undefined): void {
  if (failure) printError(JSON.stringify({ error: failure }));
}
