/** A daemon whose root is on btrfs starts workspaces from bases: clones of images that it has had before. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { SourceCommand } from "../../scripts/chaos/source_command.ts";
import { btrfs, canMountBtrfs, mountBtrfs, subvolumePaths, TENANT } from "../fixtures/btrfs.ts";
import { until } from "../fixtures/eventually.ts";
import { soaking } from "../fixtures/soak.ts";
import { readTree } from "../fixtures/tree.ts";
import { withoutExtents } from "../content/image_fixture.ts";
import { fromBackup, fromSnapshot, refuses, request, TestNode } from "./node.ts";

const ignore = !canMountBtrfs();

const CONFIG = {
  quota: { driver: "btrfs" },
  contentOwner: TENANT,
  metrics: { listen: "127.0.0.1:0" },
  // The disks of tests are small.
  cache: { minFreePercent: 0 },
};

async function metric(node: TestNode, name: string): Promise<number> {
  const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(node.daemon.log)?.[1];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
}

/** The bases of a node, and what else is a subvolume beneath its root. */
function subvolumesOf(node: TestNode, mount: string): { bases: string[]; others: string[] } {
  const prefix = `${node.root.slice(mount.length + 1)}/`;
  const all = subvolumePaths(mount).filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length));
  const within = /^bases\/[0-9a-f]{64}(?=$|\/)/;
  return {
    bases: all.filter((path) => within.exec(path)?.[0] === path),
    others: all.filter((path) => !within.test(path)),
  };
}

async function contentOf(node: TestNode, id: string) {
  return withoutExtents(await readTree(node.workspace(id)));
}

Deno.test({
  name: "a workspace that is stopped starts again as a clone, and so do others from its snapshot",
  ignore,
  async fn() {
    using fs = mountBtrfs(1 << 30);
    await using node = await TestNode.start(fs.path, "node", { config: CONFIG });
    await node.client.initWorkspace(request("w"));
    const path = node.workspace("w");
    Deno.mkdirSync(join(path, "closed"), { mode: 0o500 });
    Deno.writeTextFileSync(join(path, "closed/file"), "work", { mode: 0o4711 });
    Deno.linkSync(join(path, "closed/file"), join(path, "again"));
    btrfs("subvolume", "create", join(path, "inner"));
    Deno.writeTextFileSync(join(path, "inner/file"), "inner");
    const before = await contentOf(node, "w");
    const snapshot = await node.client.takeSnapshot({ id: "w" });
    await node.client.disposeWorkspace({ id: "w", backup: true });
    assertEquals(subvolumesOf(node, fs.path).others, []);

    await node.client.initWorkspace(fromBackup("w"));
    await node.client.initWorkspace(fromSnapshot("s", snapshot));
    assertEquals(await metric(node, 'wsdaemon_base_restores_total{outcome="hit"}'), 2);
    for (const id of ["w", "s"]) assertEquals(await contentOf(node, id), before);

    // What one writes is in no other, not in the base, and in its next backup.
    Deno.writeTextFileSync(join(node.workspace("w"), "inner/file"), "edited");
    assertEquals(await contentOf(node, "s"), before);
    await node.end("SIGKILL");
    await node.startAgain();
    assertEquals(await metric(node, "wsdaemon_bases"), subvolumesOf(node, fs.path).bases.length);
    await node.client.initWorkspace(fromSnapshot("t", snapshot));
    assertEquals(await metric(node, 'wsdaemon_base_restores_total{outcome="hit"}'), 1);
    assertEquals(await contentOf(node, "t"), before);
    const edited = await contentOf(node, "w");
    await node.client.disposeWorkspace({ id: "w", backup: true });
    await node.client.initWorkspace(fromBackup("w"));
    assertEquals(await contentOf(node, "w"), edited);

    // Nobody gets from a base what the store would not give.
    await refuses("FAILED_PRECONDITION", "no backup of bob/m", () =>
      node.client.initWorkspace({
        ...fromBackup("b"),
        metadata: { owner: "bob", metaId: "m" },
      }));
    Deno.removeSync(join(node.root, "store/refs/snapshots"), { recursive: true });
    await refuses(
      "NOT_FOUND",
      "There is no snapshot",
      () => node.client.initWorkspace(fromSnapshot("u", snapshot)),
    );
    assertEquals(Deno.statSync(join(node.root, "bases")).mode! & 0o777, 0o700);
  },
});

/** Steps at which a daemon is killed, and which of its calls comes by there. */
const STEPS: readonly (readonly [string, "restore" | "save" | "start"])[] = [
  ["worker.sealBase.before", "restore"],
  ...(soaking()
    ? [
      ["worker.makeBase.after", "restore"],
      ["worker.restoreFiles.after", "restore"],
      ["worker.sealBase.after", "restore"],
      ["worker.freezeTree.after", "save"],
      ["worker.adoptBase.before", "save"],
      ["worker.adoptBase.after", "save"],
      ["store.replaceRef.before", "save"],
      ["store.replaceRef.after", "save"],
      ["worker.cloneBase.before", "start"],
      ["worker.cloneBase.after", "start"],
      ["worker.commitBaseline.after", "start"],
      ["worker.publish.before", "start"],
      ["worker.publish.after", "start"],
      ["worker.removeBase.before", "save"],
      ["worker.removeBase.after", "save"],
    ] as const
    : []),
];

Deno.test({
  name:
    "a daemon that is killed at a step of a base leaves no subvolume, and no base that is not whole",
  ignore,
  async fn() {
    using fs = mountBtrfs(1 << 30);
    const source = new SourceCommand(fs.path);
    // Room for one base: each new one has another deleted.
    const config = { ...CONFIG, cache: { minFreePercent: 0, maxBytes: "12KiB" } };
    await using node = await TestNode.start(fs.path, "node", { config, command: source.command });
    await node.client.initWorkspace(request("w"));
    Deno.writeTextFileSync(join(node.workspace("w"), "file"), "work");
    const snapshot = await node.client.takeSnapshot({ id: "w" });
    await node.end("SIGTERM");
    for (const [n, [point, doing]] of STEPS.entries()) {
      if (doing === "restore") dropBases(node);
      source.arm({ point, hit: 1, linger: 0 });
      await node.startAgain();
      if (doing === "save") Deno.writeTextFileSync(join(node.workspace("w"), "more"), `${n}`);
      const call = doing === "save"
        ? node.client.takeSnapshot({ id: "w" })
        : node.client.initWorkspace(fromSnapshot(`killed${n}`, snapshot));
      // How it ends does not matter, as the daemon is killed.
      const ended = call.catch(() => {});
      await until(`${point} is reached`, () => node.daemon.log.includes(`reached ${point}`));
      source.arm(undefined);
      await node.end("SIGKILL");
      await ended;
      await node.startAgain();
      await settled(node, fs.path, point);
      await node.client.initWorkspace(fromSnapshot("check", snapshot));
      assertEquals(Deno.readTextFileSync(join(node.workspace("check"), "file")), "work", point);
      await node.client.disposeWorkspace({ id: "check" });
      await node.end("SIGKILL");
    }
    await node.startAgain();
    assertEquals(Deno.readTextFileSync(join(node.workspace("w"), "file")), "work");
  },
});

/** Deletes a node's bases as an operator may, while no daemon runs. */
function dropBases(node: TestNode): void {
  const folder = join(node.root, "bases");
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) btrfs("subvolume", "delete", join(folder, name));
    else Deno.removeSync(join(folder, name));
  }
}

/** Waits until nothing but workspaces that answered and whole bases is there. */
async function settled(node: TestNode, mount: string, point: string): Promise<void> {
  const known = () => subvolumesOf(node, mount).others.filter((path) => path !== "workspaces/w");
  await until(`nothing is left after ${point}`, () => known().length === 0);
  const names = [...Deno.readDirSync(join(node.root, "bases"))].map(({ name }) => name);
  for (const name of names) {
    const [id] = name.split(".");
    for (const whole of [id!, `${id}.json`, `${id}.baseline`]) {
      assertStringIncludes(names.join(), whole, `${name} after ${point}`);
    }
  }
}
