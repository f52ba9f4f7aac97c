/** A daemon whose root is on btrfs: workspaces are subvolumes, and quotas hold for whoever writes. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { walkSync } from "@std/fs";
import { join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import {
  btrfs,
  canMountBtrfs,
  mountBtrfs,
  subvolumePaths,
  TENANT,
  writeAsTenant,
} from "../fixtures/btrfs.ts";
import type { ClientError } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { eventually } from "../fixtures/eventually.ts";
import { has } from "../fixtures/tools.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, fromSnapshot, type Request, request, TestNode } from "./node.ts";

const ignore = !canMountBtrfs();
const MIB = 1 << 20;

const CONFIG = {
  quota: { driver: "btrfs" },
  contentOwner: TENANT,
  metrics: { listen: "127.0.0.1:0" },
};

const limited = (id: string, mebibytes: number, more: Request = request(id)): Request => ({
  ...more,
  storageQuotaBytes: BigInt(mebibytes * MIB),
});

async function metricsOf(node: TestNode): Promise<string> {
  const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(node.daemon.log)?.[1];
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

/** Subvolumes beneath a node's root, without its bases (`bases_test.ts`). */
function subvolumesOf(node: TestNode, mount: string): string[] {
  const prefix = `${node.root.slice(mount.length + 1)}/`;
  return subvolumePaths(mount).filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length))
    .filter((path) => !/^bases\/[0-9a-f]{64}(?:$|\/)/.test(path));
}

Deno.test({
  name:
    "a quota holds for a workspace's processes, after a kill, too, and is gone with the workspace",
  ignore,
  async fn() {
    using fs = mountBtrfs(1024 * MIB);
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    assertStringIncludes(node.daemon.log, "Workspaces are subvolumes of btrfs");
    await node.client.initWorkspace(limited("w", 40));
    await node.client.initWorkspace(request("free"));
    assertEquals(subvolumesOf(node, fs.path), ["workspaces/free", "workspaces/w"]);
    assertEquals(writeAsTenant(join(node.workspace("w"), "a"), 20), "written");
    assertEquals(writeAsTenant(join(node.workspace("w"), "b"), 40), "quota");
    assertEquals(writeAsTenant(join(node.workspace("free"), "a"), 60), "written");
    Deno.removeSync(join(node.workspace("w"), "b"));
    btrfs("filesystem", "sync", fs.path);
    const bytes = /^wsdaemon_workspace_disk_bytes\{workspace="w"\} (\d+)$/m
      .exec(await metricsOf(node))?.[1];
    assert(Number(bytes) >= 20 * MIB && Number(bytes) < 22 * MIB, `${bytes}`);

    // Nobody has forgotten it, even where quotas were off meanwhile.
    await node.end("SIGKILL");
    btrfs("quota", "disable", fs.path);
    await node.startAgain();
    assertEquals(writeAsTenant(join(node.workspace("w"), "b"), 60), "quota");

    // What a tenant has made within goes with the workspace, full as it is.
    new Deno.Command("btrfs", {
      args: ["subvolume", "create", join(node.workspace("free"), "mine")],
      ...TENANT,
    }).outputSync();
    for (const id of ["w", "free"]) await node.client.disposeWorkspace({ id });
    assertEquals(subvolumesOf(node, fs.path), []);
    assertEquals((await metricsOf(node)).includes("wsdaemon_workspace_disk_bytes{"), false);
  },
});

Deno.test({
  name: "a backup that was accepted is restored whatever the quota, which holds from then on",
  ignore,
  async fn() {
    using fs = mountBtrfs(1024 * MIB);
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    const { client } = node;
    await client.initWorkspace(limited("w", 200));
    assertEquals(writeAsTenant(join(node.workspace("w"), "a"), 60), "written");
    const before = await readTree(node.workspace("w"));
    await client.disposeWorkspace({ id: "w", backup: true });
    await client.initWorkspace(limited("again", 20, fromBackup("again")));
    assertEquals(await readTree(node.workspace("again")), before);
    assertEquals(writeAsTenant(join(node.workspace("again"), "b"), 5), "quota");
    await client.disposeWorkspace({ id: "again" });
    await client.initWorkspace(limited("more", 100, fromBackup("more")));
    assertEquals(writeAsTenant(join(node.workspace("more"), "b"), 20), "written");
    // What it shares with the base of its backup does not count, as simple quotas cannot tell.
    assertEquals(writeAsTenant(join(node.workspace("more"), "b"), 110), "quota");
  },
});

Deno.test({
  name:
    "a save of what has not changed refers to the image that is there, unless some of it is gone",
  ignore,
  async fn() {
    using fs = mountBtrfs();
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    const { client } = node;
    await client.initWorkspace(request("w"));
    const file = join(node.workspace("w"), "file");
    Deno.writeTextFileSync(file, "one");
    const first = await client.backupWorkspace("w");
    assertEquals(await client.backupWorkspace("w"), first);
    const snapshot = await client.takeSnapshot({ id: "w" });
    Deno.writeTextFileSync(file, "two");
    const second = await client.backupWorkspace("w");
    assert(second !== first);
    await client.initWorkspace(fromSnapshot("s", snapshot));
    assertEquals(Deno.readTextFileSync(join(node.workspace("s"), "file")), "one");

    // Somebody has deleted the blobs: they are stored again.
    for (const folder of ["blobs", "refs"]) {
      for (const { path } of walkSync(join(node.root, "store", folder), { includeDirs: false })) {
        Deno.removeSync(path);
      }
    }
    await client.disposeWorkspace({ id: "w", backup: true });
    await client.initWorkspace(fromBackup("again"));
    assertEquals(Deno.readTextFileSync(join(node.workspace("again"), "file")), "two");
    await client.disposeWorkspace({ id: "s" });
  },
});

Deno.test({
  name: "workspaces that were made as plain folders go on working when trees become subvolumes",
  ignore,
  async fn() {
    using fs = mountBtrfs();
    {
      await using node = await TestNode.start(fs.path, "node", {
        config: { ...CONFIG, quota: { driver: "none" } },
      });
      await node.client.initWorkspace(limited("old", 20));
      Deno.writeTextFileSync(join(node.workspace("old"), "file"), "work");
      await node.client.backupWorkspace("old");
      assertEquals(subvolumesOf(node, fs.path), []);
    }
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    await node.client.initWorkspace(fromBackup("new"));
    assertEquals(subvolumesOf(node, fs.path), ["workspaces/new"]);
    assertEquals(await readTree(node.workspace("new")), await readTree(node.workspace("old")));
    await node.client.backupWorkspace("old");
    await node.client.disposeWorkspace({ id: "old", backup: true });
    await node.client.disposeWorkspace({ id: "new" });
    assertEquals(subvolumesOf(node, fs.path), []);
  },
});

Deno.test({
  name: "a restart deletes subvolumes that a killed daemon left, and what tenants made in them",
  ignore,
  async fn() {
    using fs = mountBtrfs();
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    await node.client.initWorkspace(request("w"));
    await node.end("SIGKILL");
    for (const area of ["staging", "trash"]) {
      const tree = join(node.root, "tmp", area, `gone~${crypto.randomUUID()}`);
      btrfs("subvolume", "create", tree);
      btrfs("subvolume", "create", join(tree, "nested"));
      btrfs("subvolume", "snapshot", "-r", join(tree, "nested"), join(tree, "nested/frozen"));
      btrfs("property", "set", tree, "ro", "true");
    }
    await node.startAgain();
    // Leftovers are deleted beside other work, one after the other.
    await eventually(() => assertEquals(subvolumesOf(node, fs.path), ["workspaces/w"]));
  },
});

/** Leaves room neither for data nor for metadata. */
function fill(folder: string): void {
  Deno.mkdirSync(folder);
  const data = new Uint8Array(1 << 20).fill(1);
  for (const size of [1 << 20, 2000]) {
    try {
      for (let n = 0;; n++) {
        Deno.writeFileSync(join(folder, `${size}-${n}`), data.subarray(0, size));
      }
    } catch (error) {
      assertStringIncludes(`${error}`, "No space left");
    }
    btrfs("filesystem", "sync", folder);
  }
}

Deno.test({
  name: "a full btrfs loses nothing, kills nobody, and is made room on by disposals",
  ignore,
  async fn() {
    using fs = mountBtrfs(200 * MIB);
    using folder = testFolder();
    const config = { ...CONFIG, storage: { kind: "fs", path: join(folder.path, "store") } };
    await using node = await TestNode.start(fs.path, "node", { config });
    await node.client.initWorkspace(request("w"));
    await node.client.initWorkspace(limited("x", 20));
    Deno.writeTextFileSync(join(node.workspace("w"), "work"), "unsaved work");
    assertEquals(writeAsTenant(join(node.workspace("x"), "data"), 8), "written");
    fill(join(fs.path, "ballast"));
    const mayBeRefused = (error: ClientError) =>
      assertEquals(error.code, "RESOURCE_EXHAUSTED", error.message);
    for (let n = 0; n < 2; n++) {
      await node.client.initWorkspace(request(`e${n}`)).catch(mayBeRefused);
      await node.client.backupWorkspace("w").catch(mayBeRefused);
      assertEquals(Deno.readTextFileSync(join(node.workspace("w"), "work")), "unsaved work");
      await node.end("SIGKILL");
      await node.startAgain();
    }
    await node.client.disposeWorkspace({ id: "x" });
    Deno.removeSync(join(fs.path, "ballast"), { recursive: true });
    btrfs("filesystem", "sync", fs.path);
    await node.client.disposeWorkspace({ id: "w", backup: true });
    await node.client.initWorkspace(fromBackup("again"));
    assertEquals(Deno.readTextFileSync(join(node.workspace("again"), "work")), "unsaved work");
  },
});

Deno.test({
  name: "auto leaves quotas as they are, and without the capability trees are plain folders",
  ignore: ignore || !has("setpriv"),
  async fn() {
    using fs = mountBtrfs();
    const auto = { config: { ...CONFIG, quota: { driver: "auto" } } };
    {
      await using node = await TestNode.start(fs.path, "node", auto);
      assertStringIncludes(node.daemon.log, "quotas are off");
      await node.client.initWorkspace(limited("w", 20));
      assertEquals(subvolumesOf(node, fs.path), ["workspaces/w"]);
      assertEquals(writeAsTenant(join(node.workspace("w"), "a"), 30), "written");
    }
    const drop = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    const command: [string, ...string[]] = ["setpriv", ...drop, ...FROM_SOURCE];
    {
      await using node = await TestNode.start(fs.path, "node", { ...auto, command });
      assertStringIncludes(node.daemon.log, "lacks CAP_SYS_ADMIN");
      await node.client.initWorkspace(request("plain"));
      // What was made as a subvolume is deleted all the same.
      await node.client.disposeWorkspace({ id: "w" });
      assertEquals(subvolumesOf(node, fs.path), []);
      await node.client.disposeWorkspace({ id: "plain" });
    }
    const refused = await assertRejects(
      () => TestNode.start(fs.path, "node", { config: CONFIG, command }),
      Error,
    );
    assertStringIncludes(refused.message, "Cannot use quota.driver btrfs");
  },
});

Deno.test("a driver that is named and cannot work stops the start, and says why", async () => {
  using folder = testFolder();
  const start = (driver: string) =>
    assertRejects(
      () => TestNode.start(folder.path, "node", { config: { quota: { driver } } }),
      Error,
    );
  assertStringIncludes((await start("btrfs")).message, "is not on a btrfs");
  assertStringIncludes((await start("xfs")).message, "does not have");
});
