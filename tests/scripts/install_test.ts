import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { walkSync } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { launcher, packProgram } from "../../scripts/build/unpacking.ts";
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
  return installBelow("", ...args);
}

function installBelow(destination: string, ...args: string[]) {
  const env = { DESTDIR: destination };
  const { code, stdout, stderr } = new Deno.Command(join(SCRIPTS, "install.sh"), { args, env })
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

/** Returns the paths of all files below a folder, sorted. */
function filesBelow(folder: string): string[] {
  return Array.from(
    walkSync(folder, { includeDirs: false }),
    ({ path }) => path.slice(folder.length),
  ).sort();
}

Deno.test("the installer puts everything below DESTDIR, and removes all but the config from there", () => {
  using folder = testFolder();
  const binary = join(folder.path, "built");
  Deno.writeTextFileSync(binary, '#!/bin/sh\necho "1.2.3 $1"\n', { mode: 0o755 });
  const destination = join(folder.path, "image");
  const args = ["--prefix", "/opt/w", "--binary", binary, "--start"];
  const CONFIG = "/etc/wsdaemon/config.json";
  const UNIT = "/etc/systemd/system/wsdaemon.service";
  const installed = [
    UNIT,
    "/etc/sysusers.d/wsdaemon.conf",
    CONFIG,
    "/opt/w/bin/wsdaemon",
    "/opt/w/share/bash-completion/completions/wsdaemon",
    "/opt/w/share/fish/vendor_completions.d/wsdaemon.fish",
    "/opt/w/share/man/man1/wsdaemon.1",
    "/opt/w/share/zsh/site-functions/_wsdaemon",
  ];
  // An installer that did not heed it would put them into this machine: nothing is tried then.
  const planned = installBelow(destination, ...args, "--dry-run").stdout.trimEnd().split("\n");
  assertEquals(
    planned.filter((line) => !line.startsWith(`would: install ${destination}/`)),
    [],
  );
  const first = installBelow(destination, ...args);
  assertEquals([first.code, first.stderr], [0, ""]);
  assertEquals(filesBelow(destination), installed);
  // Where it will be, and not where it was put.
  const unit = Deno.readTextFileSync(destination + UNIT);
  assertMatch(unit, /^ExecStart=\/opt\/w\/bin\/wsdaemon /m);
  Deno.writeTextFileSync(destination + CONFIG, "{}");
  assertEquals(installBelow(`${destination}/`, ...args), { code: 0, stdout: "", stderr: "" });
  const removed = installBelow(destination, "--uninstall", "--prefix", "/opt/w");
  assertEquals(removed, { code: 0, stdout: "", stderr: "" });
  assertEquals(filesBelow(destination), [CONFIG]);
  assertEquals(Deno.readTextFileSync(destination + CONFIG), "{}");
  assertStringIncludes(installBelow("relative", "--dry-run").stderr, "DESTDIR must be an absolute");
});

/** Makes a program that unpacks itself, and prints `version` and its first argument. */
async function makeUnpackingProgram(folder: string, version: string): Promise<string> {
  const files = join(folder, version);
  Deno.mkdirSync(files);
  const text = `#!/bin/sh\necho "${version} $1"\n`;
  Deno.writeTextFileSync(join(files, "wsdaemon"), text, { mode: 0o755 });
  Deno.writeTextFileSync(join(files, "start"), 'exec "$program/wsdaemon" "$@"\n');
  const path = join(folder, `${version}-program`);
  await packProgram(files, { revision: version }, "x86_64", path);
  return path;
}

Deno.test("the installer unpacks a program that does so itself, and keeps one version of it", async () => {
  using folder = testFolder();
  const destination = join(folder.path, "image");
  const installed = async (version: string) => {
    const binary = await makeUnpackingProgram(folder.path, version);
    const args = ["--prefix", "/opt/w", "--binary", binary];
    const planned = installBelow(destination, ...args, "--dry-run");
    assertMatch(
      planned.stdout,
      /^would: install \S+\/image\/opt\/w\/lib\/wsdaemon\/[0-9a-f]{16}$/m,
    );
    const first = installBelow(destination, ...args);
    assertEquals([first.code, first.stderr], [0, ""]);
    assertEquals(installBelow(destination, ...args), { code: 0, stdout: "", stderr: "" });
    const [own, ...others] = Deno.readDirSync(join(destination, "opt/w/lib/wsdaemon"));
    assertEquals(others, []);
    const script = Deno.readTextFileSync(join(destination, "opt/w/bin/wsdaemon"));
    assertEquals(script, launcher(`/opt/w/lib/wsdaemon/${own!.name}`));
    return Deno.readTextFileSync(join(destination, `opt/w/lib/wsdaemon/${own!.name}/wsdaemon`));
  };
  assertStringIncludes(await installed("1.2.3"), "1.2.3");
  assertStringIncludes(await installed("1.2.4"), "1.2.4");
  assertEquals(installBelow(destination, "--uninstall", "--prefix", "/opt/w").code, 0);
  assertEquals(filesBelow(destination), ["/etc/wsdaemon/config.json"]);
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
