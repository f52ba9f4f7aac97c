import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, fromGit, fromSnapshot, refuses, request, TestNode } from "./node.ts";

const SNAPSHOT = "wsdaemon:snapshot/alice/m/20260101T000000Z-0123456789abcdef";

Deno.test("without storage a workspace lives and goes, and what needs storage is FAILED_PRECONDITION", async () => {
  using folder = testFolder();
  const remotes = join(folder.path, "remotes");
  makeRemote(join(remotes, "repo"), [{ branch: "main", subject: "First", files: { a: "a" } }]);
  await using server = serveGit(remotes);
  const config = { storage: { kind: "none" }, net: { allowLoopback: true } };
  await using node = await TestNode.start(folder.path, "node", { config });
  const { client } = node;
  const closed = (call: () => Promise<unknown>) => refuses("FAILED_PRECONDITION", "disabled", call);

  await closed(() => client.initWorkspace(fromBackup("w")));
  await closed(() => client.initWorkspace(fromSnapshot("w", SNAPSHOT)));
  await closed(() => client.initWorkspace(fromSnapshot("w", "a.tar@bucket")));
  assert(!await client.isWorkspaceExists("w"));

  const gitPart = fromGit("w", `${server.url}/repo`).initializer!.spec!;
  assert(gitPart.case === "git");
  const prebuild = { prebuild: { snapshot: SNAPSHOT }, git: [gitPart.value] };
  await client.initWorkspace(
    request("w", { initializer: { spec: { case: "prebuild", value: prebuild } } }),
  );
  assertEquals(await Deno.readTextFile(join(node.workspace("w"), "a")), "a");
  await closed(() => client.takeSnapshot({ id: "w" }));
  await closed(() => client.takeSnapshot({ id: "w", returnImmediately: true }));
  await closed(() => client.backupWorkspace("w"));
  await closed(() => client.disposeWorkspace({ id: "w", backup: true }));
  await closed(() => client.disposeWorkspace({ id: "w", backupLogs: true }));
  await client.waitForInit("w");
  const status = await client.disposeWorkspace({ id: "w" });
  assertEquals(status?.branch, "main");
});

Deno.test("a store that refuses us is FAILED_PRECONDITION, and DATA_LOSS for a final backup, whose content stays", async () => {
  using folder = testFolder();
  await using s3 = await startS3();
  const { endpoint } = s3;
  const storage = { kind: "s3", endpoint, region: "r", forcePathStyle: true, ...S3_KEYS };
  await using node = await TestNode.start(folder.path, "node", {
    config: { storage: { ...storage, bucket: "no-such-bucket" } },
  });
  const { client } = node;
  await client.initWorkspace(request("w"));
  await Deno.writeTextFile(join(node.workspace("w"), "a"), "unsaved work");
  const words = "NoSuchBucket";
  await refuses("FAILED_PRECONDITION", words, () => client.takeSnapshot({ id: "w" }));
  await refuses("FAILED_PRECONDITION", words, () => client.backupWorkspace("w"));

  // Whoever asked for the final backup and went away is not who has to hear of its failure.
  const gone = new AbortController();
  const { signal } = gone;
  const abandoned = client.disposeWorkspace({ id: "w", backup: true }, { signal })
    .catch((error) => error.code);
  await node.daemon.logMatching(/dispose \w{16} of workspace w \(alice\/m\) begins, for /);
  gone.abort();
  assert(["CANCELLED", "DATA_LOSS"].includes(await abandoned));
  const [, id] = await node.daemon.logMatching(
    /\[ERR\].*dispose (\w{16}) of workspace w \(alice\/m\) failed after .*: DATA_LOSS \(FINAL_SAVE_FAILED\): .*NoSuchBucket/,
  );
  const told = node.daemon.log.split("\n").filter((line) => line.includes(id!));
  assertEquals(told.filter((line) => line.includes("[ERR]")).length, 1, told.join("\n"));

  await refuses("DATA_LOSS", words, () => client.disposeWorkspace({ id: "w", backup: true }));
  await client.waitForInit("w");
  assertEquals(await Deno.readTextFile(join(node.workspace("w"), "a")), "unsaved work");
  assertEquals([...Deno.readDirSync(join(node.root, "tmp", "spool"))], []);
});

Deno.test("a workspace that stops and starts on its node downloads nothing from a store elsewhere", async () => {
  using folder = testFolder();
  await using s3 = await startS3();
  const { endpoint } = s3;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  await using node = await TestNode.start(folder.path, "node", {
    config: {
      storage,
      // Plain folders, whatever the tests run on; disks of any fullness.
      quota: { driver: "none" },
      cache: { minFreePercent: 0 },
      metrics: { listen: "127.0.0.1:0" },
    },
  });
  const { client } = node;
  await client.initWorkspace(request("w"));
  await Deno.writeTextFile(join(node.workspace("w"), "a"), "work");
  await client.disposeWorkspace({ id: "w", backup: true });
  await client.initWorkspace(fromBackup("w"));
  assertEquals(await Deno.readTextFile(join(node.workspace("w"), "a")), "work");
  const [, port] = await node.daemon.logMatching(/Metrics are on 127\.0\.0\.1:(\d+)/);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assertMatch(metrics, /^wsdaemon_layer_reads_total\{outcome="hit"\} [1-9]/m);
  assertMatch(metrics, /^wsdaemon_layer_reads_total\{outcome="miss"\} 0$/m);
  assertEquals(Deno.statSync(join(node.root, "cache")).mode! & 0o777, 0o700);
});

Deno.test({
  name:
    "a store that is full is RESOURCE_EXHAUSTED, keeps the backup before, and takes one again once there is room",
  // Needs root, and a machine that lets root mount.
  ignore: !canMount(),
  fn: async () => {
    using folder = testFolder();
    const store = join(folder.path, "store");
    Deno.mkdirSync(store);
    using _mounted = smallFileSystem(store, 1 << 20);
    await using node = await TestNode.start(folder.path, "node", {
      config: { storage: { kind: "fs", path: store } },
    });
    const { client } = node;
    await client.initWorkspace(request("w"));
    await Deno.writeTextFile(join(node.workspace("w"), "a"), "first");
    const before = await readTree(node.workspace("w"));
    await client.backupWorkspace("w");
    const big = join(node.workspace("w"), "big");
    await Deno.writeFile(big, crypto.getRandomValues(new Uint8Array(65536)));
    for (let n = 0; n < 32; n++) {
      await Deno.writeFile(big, crypto.getRandomValues(new Uint8Array(65536)), { append: true });
    }
    await refuses("RESOURCE_EXHAUSTED", "", () => client.takeSnapshot({ id: "w" }));
    await refuses("RESOURCE_EXHAUSTED", "", () => client.backupWorkspace("w"));
    await refuses("DATA_LOSS", "", () => client.disposeWorkspace({ id: "w", backup: true }));
    await client.initWorkspace(fromBackup("r"));
    assertEquals(await readTree(node.workspace("r")), before);
    await Deno.truncate(big, 1000);
    const after = await readTree(node.workspace("w"));
    await client.disposeWorkspace({ id: "w", backup: true });
    await client.initWorkspace(fromBackup("again"));
    assertEquals(await readTree(node.workspace("again")), after);
  },
});
