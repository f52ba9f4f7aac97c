import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";
import { inProcess } from "./in_process.ts";

/** What is typed, with the cursor at its end, and some of what the shell then offers; nothing else begins so. */
const TYPED: readonly [words: string[], offered: string[]][] = [
  [["wsdaemon", "cl"], ["client"]],
  [["wsdaemon", "client", "in"], ["init"]],
  [["wsdaemon", "client", "--addr", "client", "dis"], ["dispose"]],
  [["wsdaemon", "client", "dispose", "--backup"], ["--backup", "--backup-logs"]],
  [["wsdaemon", "client", "dispose", "w1", "--quie"], ["--quiet"]],
  [["wsdaemon", "run", "--log-format", "js"], ["json"]],
  [["wsdaemon", "store", "ver"], ["verify"]],
  [["wsdaemon", "completion", "--hel"], ["--help"]],
];

/** For each shell: a program that sources its first argument, and prints what is offered for the others. */
const SHELLS: Readonly<Record<string, string[]>> = {
  bash: [
    "-c",
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wsdaemon; printf "%s\\n" "${COMPREPLY[@]}"',
    "bash",
  ],
  zsh: [
    "-fc",
    `compdef() { : }; _files() { : }
     offer() { local one; for one; do [[ $one == \${words[CURRENT]}* ]] && print -r -- $one; done }
     _describe() { local name=$@[-1]; local -a all; all=("\${(@P)name}"); offer "\${(@)all%%:*}" }
     compadd() { shift; offer "$@" }
     source "$1"; shift; words=("$@"); CURRENT=$#; _wsdaemon; :`,
    "zsh",
  ],
  fish: ["-c", 'source $argv[1]; complete -C (string join -- " " $argv[2..-1]) | cut -f 1'],
};

for (const [shell, program] of Object.entries(SHELLS)) {
  Deno.test({
    name: `${shell} completes commands, flags and the values of flags (needs ${shell})`,
    ignore: !has(shell),
    fn: async () => {
      using folder = testFolder();
      const script = join(folder.path, "script");
      const { code, stdout, stderr } = await inProcess("completion", shell);
      assertEquals([code, stderr], [0, ""]);
      Deno.writeTextFileSync(script, stdout);
      for (const [words, offered] of TYPED) {
        const output = await new Deno.Command(shell, {
          args: [...program, script, ...words],
          cwd: folder.path,
          env: { HOME: folder.path },
        }).output();
        const text = new TextDecoder().decode(output.stdout).trim();
        const errors = new TextDecoder().decode(output.stderr);
        assertEquals([text.split("\n").toSorted(), errors], [offered, ""], words.join(" "));
      }
    },
  });
}

Deno.test("completion knows no other shell", async () => {
  const { code, stderr } = await inProcess("completion", "csh");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "Allowed choices are bash, zsh, fish");
});

Deno.test("the manual page has every command, and troff has nothing to say of it", async (t) => {
  const { code, stdout, stderr } = await inProcess("man");
  assertEquals([code, stderr], [0, ""]);
  for (const command of ["run", "client init", "store verify", "ls", "top", "completion"]) {
    assertStringIncludes(stdout, `.SS "wsdaemon ${command} `);
  }
  for (const exit of ["0", "1", "2", "78", "130"]) assert(stdout.includes(`.B ${exit}\n`), exit);
  await t.step({
    name: "(needs mandoc)",
    ignore: !has("mandoc") && !isThere("/usr/bin/mandoc"),
    fn: async () => {
      using folder = testFolder();
      const page = join(folder.path, "wsdaemon.1");
      Deno.writeTextFileSync(page, stdout);
      const lint = await new Deno.Command("mandoc", { args: ["-T", "lint", "-W", "warning", page] })
        .output();
      const warnings = new TextDecoder().decode(lint.stdout).trim().split("\n");
      // A date would differ from build to build.
      assertEquals(warnings.filter((line) => !line.includes("missing date")), []);
    },
  });
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
