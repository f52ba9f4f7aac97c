import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { load } from "../config/fixture.ts";
import { testFolder } from "../fixtures/folder.ts";

const SCRIPTS = fromFileUrl(new URL("../../scripts/", import.meta.url));

for (const { name } of Deno.readDirSync(join(SCRIPTS, "config"))) {
  Deno.test(`the sample config ${name} is valid, and its root is the unit's`, () => {
    const { config, warnings } = load({
      file: Deno.readTextFileSync(join(SCRIPTS, "config", name)),
    });
    assertEquals([config.root, warnings], ["/var/lib/wsdaemon", []]);
  });
}

function install(...args: string[]) {
  const { code, stdout, stderr } = new Deno.Command(join(SCRIPTS, "install.sh"), { args })
    .outputSync();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err! };
}

Deno.test("a dry run of the installer names every file, below the prefix, and makes none", () => {
  using folder = testFolder();
  const binary = join(folder.path, "built");
  Deno.writeTextFileSync(binary, "#!/bin/sh\necho 1.2.3\n", { mode: 0o755 });
  const prefix = join(folder.path, "opt");
  const { code, stdout, stderr } = install("--dry-run", "--prefix", prefix, "--binary", binary);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^would: install \S+\/opt\/bin\/wsdaemon \(mode 755\)$/m);
  assertMatch(stdout, /^would: install \S+\/opt\/share\/man\/man1\/wsdaemon\.1 \(mode 644\)$/m);
  assertMatch(stdout, /^would: install \/etc\/systemd\/system\/wsdaemon\.service \(mode 644\)$/m);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["built"]);
});

Deno.test("the installer says what is wrong with its arguments", () => {
  const cases: [args: string[], code: number, words: string][] = [
    [["--prefix"], 2, "--prefix needs a value"],
    [["--prefix", "relative", "--dry-run"], 2, "absolute"],
    [["--prefix", "/with blank", "--dry-run"], 2, "no blanks"],
    [["--prefix", "/a&b", "--dry-run"], 2, "no blanks"],
    [["--prefix", "/a|b", "--dry-run"], 2, "no blanks"],
    [["--unknown"], 2, "Usage: install.sh"],
    [["--dry-run", "--binary", "/nonexistent/wsdaemon"], 1, "there is no /nonexistent/wsdaemon"],
  ];
  for (const [args, code, words] of cases) {
    const ran = install(...args);
    assertEquals(ran.code, code, args.join(" "));
    assertStringIncludes(ran.stderr, words);
  }
});
