import { assertEquals, assertStringIncludes } from "@std/assert";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./fixture.ts";

Deno.test("config validate names every mistake on a line of its own and fails", async () => {
  using folder = testFolder();
  const file = `${folder.path}/config.json`;
  Deno.writeTextFileSync(file, '{\n  "rot": "/x",\n  "git": {"timeout": 5}\n}');
  const { code, stdout, stderr } = await inProcess("config", "validate", "--config", file);
  assertEquals([code, stdout], [78, ""]);
  const lines = stderr.trim().split("\n").toSorted();
  assertEquals(lines, [
    `error: ${file}:2:3: rot: unknown key; did you mean "root"?`,
    `error: ${file}:3:11: git.timeout: expected a duration such as "10m", got 5`,
  ]);
});

Deno.test("config validate passes a good file, named by a variable", async () => {
  using folder = testFolder();
  const file = `${folder.path}/config.json`;
  Deno.writeTextFileSync(file, '{"root": "/x"} // fine');
  const env = { WSDAEMON_CONFIG: file, WSDAEMON_RETAIN: "1" };
  const { code, stdout, stderr } = await wsdaemon(["config", "validate"], { env });
  assertEquals([code, stdout], [0, "The config is valid.\n"]);
  assertStringIncludes(stderr, "warning: WSDAEMON_RETAIN is not a setting");
});

Deno.test("config show prints what flags, environment and file come to, without secrets", async () => {
  using folder = testFolder();
  const file = `${folder.path}/config.json`;
  const storage = { kind: "s3", endpoint: "http://x", bucket: "b", accessKeyId: "AKIA-hush" };
  Deno.writeTextFileSync(file, JSON.stringify({ root: "/file", storage }));
  const { code, stdout, stderr } = await wsdaemon(
    ["config", "show", "--config", file, "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2"],
    {
      env: {
        WSDAEMON_ROOT: "/env",
        WSDAEMON_ROOTS: "/envs",
        WSDAEMON_STORAGE_SECRET_ACCESS_KEY: "hush",
      },
    },
  );
  assertEquals(code, 0, stderr);
  const shown = JSON.parse(stdout);
  assertEquals([shown.root, shown.listen], ["/env", ["127.0.0.1:1", "127.0.0.1:2"]]);
  assertEquals(stdout.includes("hush"), false);
  assertStringIncludes(stderr, "warning: WSDAEMON_ROOTS is not a setting");
});

Deno.test("config schema is a JSON Schema that names the keys", async () => {
  const { code, stdout } = await inProcess("config", "schema");
  assertEquals(code, 0);
  const schema = JSON.parse(stdout);
  assertEquals(schema.additionalProperties, false);
  assertEquals(schema.properties.git.properties.timeout.type, "string");
});
