import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./fixture.ts";

const USAGE_ERRORS: { args: string[]; says: string }[] = [
  { args: ["frobnicate"], says: "unknown command 'frobnicate'" },
  { args: ["run", "--rooot", "/x"], says: "unknown option '--rooot'" },
  { args: ["run", "--root"], says: "argument missing" },
  { args: ["run", "stray"], says: "too many arguments" },
  { args: ["run", "--log-level", "loud"], says: "Allowed choices are trace, debug" },
  { args: ["client", "snapshot"], says: "expected one workspace id" },
  { args: ["client", "wait", "a", "--id", "b"], says: "expected one workspace id" },
  { args: ["client", "--addr", "nowhere", "exists", "a"], says: 'Cannot use address "nowhere"' },
  { args: ["client", "--timeout", "soon", "exists", "a"], says: "Expected a duration" },
  { args: ["client", "--tls-cert", "c.pem", "exists", "a"], says: "belong together" },
  { args: ["client", "init", "--id", "a"], says: "missing: --owner, --meta-id, an initializer" },
  { args: ["client", "init", "--branch", "b"], says: "--branch: belongs after the --git" },
  { args: ["client", "init", "-", "--empty"], says: "expected a request or flags, not both" },
  { args: ["client", "init", "--empty", "--quota", "lots"], says: "Expected a size" },
  { args: ["client", "init", "--download", "https://x"], says: "expected URL=PATH#sha256:HEX" },
];

for (const { args, says } of USAGE_ERRORS) {
  Deno.test(`command line is a usage error when it is: ${args.join(" ")}`, async () => {
    const { code, stdout, stderr } = await inProcess(...args);
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, says);
    assertStringIncludes(stderr, "--help says more");
  });
}

Deno.test("wsdaemon's exit code is 2 after a usage error, which is on stderr", async () => {
  const { code, stdout, stderr } = await wsdaemon(["run", "stray"]);
  assertEquals([code, stdout], [2, ""], stderr);
  assertStringIncludes(stderr, "too many arguments");
});

Deno.test("wsdaemon names its commands where it is given none of them", async () => {
  const [help, none, typo] = await Promise.all([
    inProcess("--help"),
    inProcess(),
    inProcess("clint", "exists", "w"),
  ]);
  for (const name of ["run", "client", "store", "config", "version"]) {
    assertMatch(help.stdout, new RegExp(`^  ${name} .*[A-Z]`, "m"));
    assertMatch(none.stderr, new RegExp(`^  ${name} `, "m"));
    assertEquals((await inProcess("help", name)).code, 0);
  }
  assertEquals([help.code, none.code, typo.code], [0, 2, 2]);
  assertStringIncludes(typo.stderr, "Did you mean client?");
});

Deno.test("--help teaches with examples on every level", async () => {
  const levels = [[], ["run"], ["client"], ["client", "init"], ["config"]];
  await Promise.all(levels.map(async (level) => {
    const { code, stdout } = await inProcess(...level, "--help");
    assertEquals(code, 0);
    assertStringIncludes(stdout, `Usage: ${["wsdaemon", ...level].join(" ")}`);
    assert(/\$ .*wsdaemon/.test(stdout), `no example in the help of ${level.join(" ")}`);
  }));
});

Deno.test("version says which wsdaemon and which Deno, also as JSON", async () => {
  const text = await wsdaemon(["version"]);
  assertStringIncludes(
    text.stdout,
    `wsdaemon ${manifest.version} (source, deno ${Deno.version.deno}`,
  );
  const { code, stdout } = await inProcess("version", "--json");
  assertEquals(code, 0);
  const { version, revision } = JSON.parse(stdout);
  assertEquals([version, revision], [manifest.version, "source"]);
});
