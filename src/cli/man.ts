/** `wsdaemon man`. */

import { Command } from "commander";
import { allCommands, type CommandNode, commandTree, type OptionNode } from "./command_tree.ts";
import { NODE_CONFIG } from "./config_file.ts";
import { EXIT } from "./failure.ts";
import { printText } from "./io.ts";

const EXAMPLES = `
Examples:
    $ wsdaemon man | man -l -
    $ wsdaemon man > /usr/local/share/man/man1/wsdaemon.1
`;

/** Options that every command has, and that none needs to tell of. */
const COMMON = ["--help", "--version"] as const;

/** What each exit code means, in a few words. */
const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "Done.",
  failure: "Failed; stderr says why, a call's failure with its gRPC code.",
  usage: "The command line is malformed; nothing was done.",
  timeout: "--timeout passed. The daemon goes on with what it was asked for.",
  cancelled: "Somebody cancelled the operation that the call waited for.",
  config: "The config cannot be used; nothing was done.",
  interrupted: "Interrupted by Ctrl-C. The daemon goes on with what it was asked for.",
  terminated: "Ended by SIGTERM. The daemon goes on with what it was asked for.",
};

/**
 * Returns `man`.
 * @param whole loads the program with all of its commands
 */
export function manCommand(whole: () => Promise<Command>, version: string): Command {
  return new Command("man")
    .addHelpText("after", EXAMPLES)
    .action(async () => printText(manualPage(commandTree(await whole()), version)));
}

/** Returns the manual page of a tree of commands, for man(7). */
export function manualPage(tree: CommandNode, version: string): string {
  const commands = allCommands(tree).filter(({ commands, path }) =>
    commands.length === 0 && path.length > 1
  );
  return [
    `.TH WSDAEMON 1 "" ${argument(`wsdaemon ${version}`)} "User Commands"`,
    ".SH NAME",
    `wsdaemon \\- ${text(lowerFirst(tree.description))}`,
    ".SH SYNOPSIS",
    ".B wsdaemon",
    ".I command",
    ".RI [ option ...]",
    ".SH COMMANDS",
    ...commands.flatMap(section),
    ".SH EXIT STATUS",
    ...(Object.entries(EXIT) as [keyof typeof EXIT, number][]).flatMap(([name, code]) => [
      ".TP",
      `.B ${code}`,
      text(EXIT_WORDS[name]),
    ]),
    ".SH ENVIRONMENT",
    ...item("WSDAEMON_ADDR", "The daemon's address, where --addr does not say it."),
    ...item("WSDAEMON_CONFIG", "The config file, where --config does not say it."),
    ...item(
      "WSDAEMON_...",
      "Each key of the config, such as WSDAEMON_ROOT or WSDAEMON_GIT_TIMEOUT; it wins over the file.",
    ),
    ".SH FILES",
    ...item(NODE_CONFIG, "The config, where neither a file nor a root is named."),
    ...item("/var/lib/wsdaemon", "The root, unless the config says otherwise."),
    "",
  ].join("\n");
}

function section({ path, description, arguments: given, options, usage }: CommandNode): string[] {
  const own = options.filter(({ names }) => !COMMON.some((name) => names.includes(name)));
  return [
    `.SS ${argument(`${path.join(" ")} ${usage}`.trim())}`,
    text(`${description}.`),
    ...given.filter((one) => one.description !== "")
      .flatMap((one) => item(one.name, one.description)),
    ...own.flatMap(option),
  ];
}

function option({ flags, description, choices }: OptionNode): string[] {
  const among = choices ? ` (${choices.join(", ")})` : "";
  return item(flags, `${description}${among}`);
}

function item(term: string, description: string): string[] {
  return [".TP", `.B ${argument(term)}`, text(description)];
}

/** Returns text of a line of its own; nothing in it is a request or an escape. */
function text(words: string): string {
  const escaped = escape(words.replaceAll(/\s+/g, " "));
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** Returns text as one argument of a request. */
function argument(words: string): string {
  return `"${escape(words).replaceAll('"', '""')}"`;
}

/** A hyphen that a reader may copy is a minus, and typography is for others. */
function escape(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq");
}

function lowerFirst(words: string): string {
  return words.slice(0, 1).toLowerCase() + words.slice(1);
}
