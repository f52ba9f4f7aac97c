import { assertEquals, assertStringIncludes } from "@std/assert";
import { V8_FLAGS } from "../../scripts/daemon_process.ts";
import { testFolder } from "../fixtures/folder.ts";
import { wsdaemon } from "./fixture.ts";

const PROJECT = new URL("../../", import.meta.url);

/** Modules that only commands which use them may load. */
const HEAVY = [
  "cli/client/mod",
  "cli/config",
  "cli/doctor",
  "cli/run",
  "cli/store/mod",
  "config/mod",
]
  .concat("process/mod", "store/mod", "wire/mod");

Deno.test("--help, --version and a wrong command load no command's modules", async () => {
  using folder = testFolder();
  const command = withoutModules(folder.path, HEAVY);
  const [help, version, typo, run] = await Promise.all([
    wsdaemon(["--help"], { command }),
    wsdaemon(["--version"], { command }),
    wsdaemon(["clint"], { command }),
    wsdaemon(["run", "--help"], { command }),
  ]);
  assertEquals([help.code, version.code, typo.code], [0, 0, 2], help.stderr + version.stderr);
  assertStringIncludes(help.stdout, "Call a running daemon");
  assertStringIncludes(typo.stderr, "Did you mean client?");
  // What would have failed above, had it been loaded.
  assertStringIncludes(run.stderr, "cli/run is loaded");
});

Deno.test("a command that calls a daemon loads nothing of the daemon's own process", async () => {
  using folder = testFolder();
  const command = withoutModules(folder.path, ["process/mod"]);
  const { code, stderr } = await wsdaemon(["ls", "--addr", `unix://${folder.path}/none`], {
    command,
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "error: UNAVAILABLE: ");
});

/** Returns how wsdaemon is run so that loading any of the modules fails and says which. */
function withoutModules(folder: string, modules: readonly string[]): readonly string[] {
  const project = JSON.parse(Deno.readTextFileSync(new URL("deno.json", PROJECT)));
  const imports = Object.entries(project.imports as Record<string, string>)
    .map(([name, to]) => [name, to.startsWith("./") ? new URL(to, PROJECT).href : to]);
  for (const module of modules) {
    // A stub for what is not there would fail nothing.
    Deno.statSync(new URL(`src/${module}.ts`, PROJECT));
    const stub = `throw new Error("${module} is loaded")`;
    imports.push([
      new URL(`src/${module}.ts`, PROJECT).href,
      `data:text/javascript,${encodeURIComponent(stub)}`,
    ]);
  }
  const config = `${folder}/deno.json`;
  Deno.writeTextFileSync(
    config,
    JSON.stringify({ ...project, tasks: {}, imports: Object.fromEntries(imports) }),
  );
  // A copy, since it is written to: the entries of what is not imported here are dropped.
  Deno.copyFileSync(new URL("deno.lock", PROJECT), `${folder}/deno.lock`);
  const main = new URL("main.ts", PROJECT).href;
  return [Deno.execPath(), "run", V8_FLAGS, "-A", "--no-prompt", "--config", config, main];
}
