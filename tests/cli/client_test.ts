import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { testFolder } from "../support/folder.ts";
import { wsdaemon } from "./support.ts";

Deno.test("client takes a workspace through its life, in text and in JSON", async () => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off"],
  });
  const client = async (args: string[], input?: string) => {
    const env = { WSDAEMON_ADDR: daemon.addresses[0]! };
    const options = input === undefined ? { env } : { env, input };
    const { code, stdout, stderr } = await wsdaemon(["client", ...args], options);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  const json = async (args: string[], input?: string) =>
    JSON.parse(await client([...args, "--json"], input));
  const identity = ["--owner", "alice", "--meta-id", "notes"];

  assertEquals(await client(["init", "--id", "w1", ...identity, "--empty"]), "w1 is ready\n");
  assertEquals(await client(["wait", "w1"]), "w1 is ready\n");
  assertEquals(await json(["exists", "w1"]), { id: "w1", exists: true });
  Deno.writeTextFileSync(`${folder.path}/workspaces/w1/note`, "kept");

  const url = (await client(["snapshot", "w1"])).trim();
  assertMatch(url, /^\S+$/);
  const request = JSON.stringify({
    id: "w2",
    metadata: { owner: "bob", metaId: "copy" },
    initializer: { snapshot: { snapshot: url } },
  });
  assertEquals(await json(["init", "-"], request), { id: "w2" });
  assertEquals(Deno.readTextFileSync(`${folder.path}/workspaces/w2/note`), "kept");

  assert((await json(["backup", "w1"])).url);
  assertStringIncludes(await client(["dispose", "w1", "--backup"]), "w1 is gone");
  assertEquals(await client(["exists", "w1"]), "false\n");
  assertEquals(await client(["init", "--id", "w3", ...identity, "--from-backup"]), "w3 is ready\n");
  assertEquals(Deno.readTextFileSync(`${folder.path}/workspaces/w3/note`), "kept");
  assertEquals(await json(["dispose", "w3"]), { id: "w3" });
});

Deno.test("client names the gRPC code on stderr and exits 1 when a call fails", async () => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off"],
  });
  const client = ["client", "--addr", daemon.addresses[0]!];
  const snapshot = await wsdaemon([...client, "snapshot", "nothing"]);
  assertEquals([snapshot.code, snapshot.stdout], [1, ""]);
  assertMatch(snapshot.stderr, /^error: NOT_FOUND: .*nothing/);
  const init = await wsdaemon([...client, "init", "-"], { input: '{"idd": "w"}' });
  assertEquals(init.code, 1);
  assertMatch(init.stderr, /^error: INVALID_ARGUMENT: .*idd/);
  const broken = await wsdaemon([...client, "init", "-"], { input: "{" });
  assertEquals(broken.code, 1);
  assertStringIncludes(broken.stderr, "Cannot read the request from stdin");
  const list = await wsdaemon([...client, "init", "-"], { input: "[]" });
  assertEquals(list.stderr, "error: Cannot read the request from stdin: expected a JSON object\n");
});

Deno.test("client says UNAVAILABLE when nobody answers", async () => {
  const { code, stderr } = await wsdaemon(["client", "--addr", "127.0.0.1:1", "exists", "w"]);
  assertEquals(code, 1);
  const reason = "UNAVAILABLE: Cannot reach a daemon at 127.0.0.1:1: connect ECONNREFUSED";
  assertMatch(stderr, new RegExp(`^error: ${reason}.*--addr or WSDAEMON_ADDR\n$`));
});
