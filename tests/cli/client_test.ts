import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { checkStoreImages } from "../e2e/check_store_images.ts";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./fixture.ts";

Deno.test("client takes a workspace through its life, in text and in JSON", async (t) => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off"],
  });
  const address = daemon.addresses[0]!;
  const client = async (...args: string[]) => {
    const { code, stdout, stderr } = await inProcess("client", "--addr", address, ...args);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await client(...args, "--json"));
  const identity = ["--owner", "alice", "--meta-id", "notes"];

  assertEquals(await client("init", "--id", "w1", ...identity, "--empty"), "w1 is ready\n");
  assertEquals(await client("wait", "w1"), "w1 is ready\n");
  assertEquals(await json("exists", "w1"), { id: "w1", exists: true });
  Deno.writeTextFileSync(`${folder.path}/workspaces/w1/note`, "kept");

  const url = (await client("snapshot", "w1")).trim();
  assertMatch(url, /^\S+$/);
  await t.step("with a request from stdin, and the address from its environment", async () => {
    const request = JSON.stringify({
      id: "w2",
      metadata: { owner: "bob", metaId: "copy" },
      initializer: { snapshot: { snapshot: url } },
    });
    const made = await wsdaemon(["client", "init", "-", "--json"], {
      env: { WSDAEMON_ADDR: address },
      input: request,
    });
    assertEquals([made.code, JSON.parse(made.stdout)], [0, { id: "w2" }], made.stderr);
    assertEquals(Deno.readTextFileSync(`${folder.path}/workspaces/w2/note`), "kept");
  });

  assert((await json("backup", "w1")).url);
  assertStringIncludes(await client("dispose", "w1", "--backup"), "w1 is gone");
  assertEquals(await client("exists", "w1"), "false\n");
  assertEquals(await client("init", "--id", "w3", ...identity, "--from-backup"), "w3 is ready\n");
  assertEquals(Deno.readTextFileSync(`${folder.path}/workspaces/w3/note`), "kept");
  assertEquals(await json("dispose", "w3"), { id: "w3" });
  await checkStoreImages(["--root", folder.path]);

  await t.step("and names the gRPC code on stderr and exits 1 when a call fails", async () => {
    const { code, stdout, stderr } = await inProcess(
      ...["client", "--addr", address, "snapshot", "nothing"],
    );
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^error: NOT_FOUND: .*nothing.* \[WORKSPACE_NOT_FOUND\]$/m);
  });
});

Deno.test("client says what is wrong with a request, and exits 1", async () => {
  using folder = testFolder();
  const file = `${folder.path}/request.json`;
  const init = async (request: string) => {
    await Deno.writeTextFile(file, request);
    const { code, stderr } = await inProcess("client", "--addr", "127.0.0.1:1", "init", file);
    assertEquals(code, 1);
    return stderr;
  };
  assertMatch(await init('{"idd": "w"}'), /^error: INVALID_ARGUMENT: .*idd/);
  assertEquals(
    await init("[]"),
    `error: Cannot read the request from ${file}: it is not a JSON object; it is to be an InitWorkspaceRequest in JSON, see --help\n`,
  );
  const { code, stderr } = await wsdaemon(
    ["client", "--addr", "127.0.0.1:1", "init", "-"],
    { input: "{" },
  );
  assertEquals(code, 1);
  assertStringIncludes(stderr, "error: Cannot read the request from stdin");
});

Deno.test("client says UNAVAILABLE when nobody answers", async () => {
  const { code, stderr } = await inProcess("client", "--addr", "127.0.0.1:1", "exists", "w");
  assertEquals(code, 1);
  const reason =
    "UNAVAILABLE: Cannot reach a daemon at 127.0.0.1:1: nobody listens there \\(ECONNREFUSED\\)";
  assertMatch(stderr, new RegExp(`^error: ${reason}.*--addr or WSDAEMON_ADDR\n$`));
});
