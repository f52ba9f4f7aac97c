/** `wsdaemon completion`. */

import { Argument, Command } from "commander";
import { allCommands, type CommandNode, commandTree, type OptionNode } from "./command_tree.ts";
import { printText } from "./io.ts";

const EXAMPLES = `
Examples:
    $ wsdaemon completion bash > /etc/bash_completion.d/wsdaemon
    $ wsdaemon completion zsh > /usr/local/share/zsh/site-functions/_wsdaemon
    $ wsdaemon completion fish > ~/.config/fish/completions/wsdaemon.fish
`;

/** The shells, and how the completions of a tree of commands are written for each. */
export const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/**
 * Returns `completion`.
 * @param whole loads the program with all of its commands
 */
export function completionCommand(whole: () => Promise<Command>): Command {
  return new Command("completion")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SHELLS)))
    .addHelpText("after", EXAMPLES)
    .action(async (shell: keyof typeof SHELLS) => {
      printText(SHELLS[shell](commandTree(await whole())));
    });
}

/** Returns text in single quotes, as all three shells read it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function namesOf(options: readonly OptionNode[]): string[] {
  return options.flatMap(({ names }) => names);
}

/**
 * Returns the part that bash and zsh have in common: it follows the words before the cursor to the
 * command that they name, and passes over the values of options.
 * @param words how the shell writes the words before the cursor
 */
function walkToCommand(tree: CommandNode, words: string): string {
  const paths = allCommands(tree).map(({ path }) => quoted(path.join(" "))).join("|");
  const withValue = new Set(
    allCommands(tree).flatMap(({ options }) => namesOf(options.filter(({ value }) => value))),
  );
  return `  local path=wsdaemon before='' word
  for word in ${words}; do
    case $before in ${[...withValue].map(quoted).join("|")}) before=; continue ;; esac
    case "$path $word" in ${paths}) path="$path $word" ;; esac
    before=$word
  done
`;
}

/** Returns the values of the option before the cursor, as branches of a \`case\`. */
function valueBranches(tree: CommandNode, files: string, choices: (words: string) => string) {
  const branches = new Map<string, string>();
  for (const { options } of allCommands(tree)) {
    for (const option of options.filter(({ value }) => value)) {
      const words = option.choices
        ? choices(option.choices.join(" "))
        : option.value === "file"
        ? files
        : "return";
      for (const name of option.names) branches.set(name, words);
    }
  }
  return [...branches].map(([name, words]) => `    ${quoted(name)}) ${words} ;;\n`).join("");
}

function bashCompletion(tree: CommandNode): string {
  const branches = allCommands(tree).map(({ path, commands, options }) => {
    const words = [...commands.map((child) => child.path.at(-1)!), ...namesOf(options)].join(" ");
    return `    ${quoted(path.join(" "))}) words=${quoted(words)} ;;\n`;
  }).join("");
  const choose = (words: string) => `COMPREPLY=($(compgen -W ${quoted(words)} -- "$cur")); return`;
  const files = 'COMPREPLY=($(compgen -f -- "$cur")); return';
  return `# bash completion of wsdaemon, made by "wsdaemon completion bash"
_wsdaemon() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words=
${walkToCommand(tree, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}  COMPREPLY=()
  case $before in
${valueBranches(tree, files, choose)}  esac
  case $path in
${branches}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _wsdaemon wsdaemon
`;
}

/** Returns a word and what it means, as zsh's \`_describe\` takes them. */
function described(word: string, description: string): string {
  return quoted(`${word.replaceAll(":", "\\:")}:${description}`);
}

function zshCompletion(tree: CommandNode): string {
  const branches = allCommands(tree).map(({ path, commands, options }) => {
    const entries = [
      ...commands.map((child) => described(child.path.at(-1)!, child.description)),
      ...options.flatMap(({ names, description }) =>
        names.map((name) => described(name, description))
      ),
    ];
    return `    ${quoted(path.join(" "))}) entries=(\n${
      entries.map((entry) => `      ${entry}\n`).join("")
    }    ) ;;\n`;
  }).join("");
  return `#compdef wsdaemon
# zsh completion of wsdaemon, made by "wsdaemon completion zsh"
_wsdaemon() {
  local -a entries
${walkToCommand(tree, '"${(@)words[2,CURRENT-1]}"')}  case $before in
${valueBranches(tree, "_files; return", (words) => `compadd -- ${words}; return`)}  esac
  case $path in
${branches}  esac
  _describe -t wsdaemon wsdaemon entries || _files
}
if [ "$funcstack[1]" = _wsdaemon ]; then _wsdaemon "$@"; else compdef _wsdaemon wsdaemon; fi
`.replaceAll("local path=wsdaemon", "local at=wsdaemon").replaceAll("$path", "$at")
    .replaceAll('path="$at $word"', 'at="$at $word"');
}

function fishCompletion(tree: CommandNode): string {
  const withValue = new Set(
    allCommands(tree).flatMap(({ options }) => namesOf(options.filter(({ value }) => value))),
  );
  const paths = allCommands(tree).map(({ path }) => quoted(path.join(" "))).join(" ");
  const lines = allCommands(tree).flatMap(({ path, commands, options }) => {
    const at = `complete -c wsdaemon -n ${quoted(`__wsdaemon_at ${quoted(path.join(" "))}`)}`;
    return [
      ...commands.map((child) =>
        `${at} -f -a ${quoted(child.path.at(-1)!)} -d ${quoted(child.description)}`
      ),
      ...options.map((option) => `${at} ${fishOption(option)}`),
    ];
  });
  return `# fish completion of wsdaemon, made by "wsdaemon completion fish"
function __wsdaemon_at
    set -l path wsdaemon
    set -l before
    for word in (commandline -opc)[2..-1]
        if contains -- "$before" ${[...withValue].map(quoted).join(" ")}
            set before
            continue
        end
        if contains -- "$path $word" ${paths}
            set path "$path $word"
        end
        set before $word
    end
    test "$path" = "$argv[1]"
end
${lines.join("\n")}
`;
}

function fishOption({ names, description, value, choices }: OptionNode): string {
  const flags = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  );
  const takes = choices
    ? [`-x -a ${quoted(choices.join(" "))}`]
    : value === "file"
    ? ["-r -F"]
    : value
    ? ["-x"]
    : ["-f"];
  return [...flags, ...takes, `-d ${quoted(description)}`].join(" ");
}
