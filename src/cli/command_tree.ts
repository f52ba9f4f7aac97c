/** The tree of commands as plain data, from which completions and the manual page are made. */

import type { Argument, Command, Option } from "commander";

/** An option of a command. */
export interface OptionNode {
  /** As a user writes it, such as `--addr`. */
  names: readonly string[];
  /** As the help shows it, such as `--addr <addr>`. */
  flags: string;
  description: string;
  /** What its value is; absent for a switch. */
  value?: "file" | "other";
  choices?: readonly string[];
}

/** A command with everything below it. */
export interface CommandNode {
  /** From the program on: `["wsdaemon", "client", "init"]`. */
  path: readonly string[];
  description: string;
  /** Its arguments as the help shows them. */
  usage: string;
  arguments: readonly { name: string; description: string }[];
  /** Its own and those of the commands above it. */
  options: readonly OptionNode[];
  commands: readonly CommandNode[];
}

const HELP: OptionNode = {
  names: ["-h", "--help"],
  flags: "-h, --help",
  description: "display help for command",
};

/** Words in an option's value that mean a path. */
const PATHS = /<(?:file|dir|path|folder)[^>]*>/i;

/** Returns a command and those below it. */
export function commandTree(
  command: Command,
  above: { path: readonly string[]; options: readonly OptionNode[] } = {
    path: [],
    options: [HELP],
  },
): CommandNode {
  const path = [...above.path, command.name()];
  const options = [
    ...command.options.filter(({ hidden }) => !hidden).map(optionNode),
    ...above.options,
  ];
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map(argumentNode),
    options,
    commands: command.commands.map((child) => commandTree(child, { path, options })),
  };
}

/** Returns a node and everything below it, in the order of the help. */
export function allCommands(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allCommands)];
}

function optionNode(option: Option): OptionNode {
  const { flags, short, long, description, argChoices, required, optional } = option;
  const takesValue = required || optional;
  return {
    names: [short, long].filter((name) => name !== undefined),
    flags,
    description,
    ...(takesValue ? { value: PATHS.test(flags) ? "file" : "other" } : {}),
    ...(argChoices ? { choices: argChoices } : {}),
  };
}

function argumentNode(argument: Argument): { name: string; description: string } {
  return { name: argument.name(), description: argument.description };
}
