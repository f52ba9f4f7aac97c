import { assert, assertEquals } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testFolder } from "../support/folder.ts";
import { readTree } from "../support/tree.ts";
import { fromBackup, fromSnapshot, refuses, request, TestNode } from "./node.ts";

/** Enough that a pack or a restore takes a while. */
async function fill(folder: string, files: number): Promise<void> {
  const bytes = new Uint8Array(20_000);
  for (let n = 0; n < files; n++) {
    if (n % 100 === 0) await Deno.mkdir(join(folder, `d${n / 100}`));
    crypto.getRandomValues(bytes);
    await Deno.writeFile(join(folder, `d${Math.floor(n / 100)}`, `f${n}`), bytes);
  }
}

Deno.test("what was acknowledged is there after kill -9, and a restart knows what it knew", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  await node.client.initWorkspace(request("w"));
  await Deno.writeTextFile(join(node.workspace("w"), "a"), "unsaved work");
  await node.client.backupWorkspace("w");
  await Deno.writeTextFile(join(node.workspace("w"), "b"), "more of it");
  const tree = await readTree(node.workspace("w"));
  await node.end("SIGKILL");
  await node.startAgain();
  assert(await node.client.isWorkspaceExists("w"));
  await node.client.waitForInit("w");
  assertEquals(await readTree(node.workspace("w")), tree);
  await node.client.disposeWorkspace({ id: "w", backup: true });
  await node.client.initWorkspace(fromBackup("again"));
  assertEquals(await readTree(node.workspace("again")), tree);
});

Deno.test("kill -9 at any moment of a backup leaves the previous or the new one whole, and a promised snapshot is finished", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  await node.client.initWorkspace(request("w"));
  await fill(node.workspace("w"), 400);
  const versions = new Set<string>();
  const remember = async () => versions.add(JSON.stringify(await readTree(node.workspace("w"))));
  await remember();
  await node.client.backupWorkspace("w");
  const promised: string[] = [];
  for (const delay of [0, 20, 100]) {
    await Deno.writeTextFile(join(node.workspace("w"), "d0", "f0"), `before ${delay}`);
    await fill(await newFolder(node.workspace("w"), delay), 100);
    await remember();
    promised.push(await node.client.takeSnapshot({ id: "w", returnImmediately: true }));
    const backup = node.client.backupWorkspace("w").catch(() => {});
    // Not synchronisation: any moment will do, and these are spread over the work.
    await new Promise((resolve) => setTimeout(resolve, delay));
    await node.end("SIGKILL");
    await backup;
    await node.startAgain();
    const metadata = { owner: "alice", metaId: "m" };
    const id = `r${delay}`;
    await node.client.initWorkspace({ ...fromBackup(id), metadata });
    assert(versions.has(JSON.stringify(await readTree(node.workspace(id)))), `after ${delay} ms`);
    await node.client.disposeWorkspace({ id });
    assertEquals(await names(join(node.root, "tmp", "staging")), []);
  }
  await node.client.disposeWorkspace({ id: "w" });
  for (const [n, url] of promised.entries()) {
    await node.client.initWorkspace(fromSnapshot(`s${n}`, url));
  }
});

Deno.test("a snapshot that is promised while the store fails is NOT_FOUND until it is stored, across restarts", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node", {
    config: { backup: { attempts: 1 } },
  });
  const refs = join(node.root, "store", "refs");
  const obstacles = [join(refs, "snapshots"), join(refs, "backups")];
  for (const path of obstacles) await Deno.writeTextFile(path, "a file where a folder should be");
  await node.client.initWorkspace(request("w"));
  await Deno.writeTextFile(join(node.workspace("w"), "a"), "unsaved work");
  await refuses("UNAVAILABLE", "refs/snapshots", () => node.client.takeSnapshot({ id: "w" }));
  await refuses("UNAVAILABLE", "refs/backups", () => node.client.backupWorkspace("w"));
  const url = await node.client.takeSnapshot({ id: "w", returnImmediately: true });
  const early = () =>
    refuses("NOT_FOUND", url, () => node.client.initWorkspace(fromSnapshot("r", url)));
  await early();
  await node.end("SIGKILL");
  await node.startAgain();
  await early();
  for (const backup of [false, true]) {
    const disposal = () => node.client.disposeWorkspace({ id: "w", backup });
    await refuses("DATA_LOSS", "promised", disposal);
  }
  await node.client.waitForInit("w");
  await Deno.remove(obstacles[0]!);
  const final = () => node.client.disposeWorkspace({ id: "w", backup: true });
  await refuses("DATA_LOSS", "final backup", final);
  await node.client.initWorkspace(fromSnapshot("r", url));
  assertEquals(await Deno.readTextFile(join(node.workspace("r"), "a")), "unsaved work");
  await Deno.remove(obstacles[1]!);
  await final();
  await node.client.initWorkspace(fromBackup("b"));
  assertEquals(await Deno.readTextFile(join(node.workspace("b"), "a")), "unsaved work");
  assertEquals(await names(join(node.root, "tmp", "spool")), []);
});

Deno.test("kill -9 during an initialisation or a disposal leaves nothing half-made", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  await node.client.initWorkspace(request("source"));
  await fill(node.workspace("source"), 500);
  const tree = JSON.stringify(await readTree(node.workspace("source")));
  const url = await node.client.takeSnapshot({ id: "source" });
  for (const delay of [0, 60]) {
    const init = node.client.initWorkspace(fromSnapshot("w", url)).then(() => true, () => false);
    await new Promise((resolve) => setTimeout(resolve, delay));
    await node.end("SIGKILL");
    const acknowledged = await init;
    await node.startAgain();
    const known = await node.client.isWorkspaceExists("w");
    assertEquals(await exists(node.workspace("w")), known, `init, ${delay} ms`);
    assert(known || !acknowledged, "what was acknowledged is there");
    if (known) assertEquals(JSON.stringify(await readTree(node.workspace("w"))), tree);
    else await node.client.initWorkspace(fromSnapshot("w", url));
    const disposal = node.client.disposeWorkspace({ id: "w" }).then(() => true, () => false);
    await new Promise((resolve) => setTimeout(resolve, delay));
    await node.end("SIGKILL");
    const gone = await disposal;
    await node.startAgain();
    const there = await node.client.isWorkspaceExists("w");
    assertEquals(await exists(node.workspace("w")), there, `dispose, ${delay} ms`);
    assert(!(gone && there), "what was disposed of stays gone");
    if (there) {
      assertEquals(JSON.stringify(await readTree(node.workspace("w"))), tree);
      await node.client.disposeWorkspace({ id: "w" });
    }
    assertEquals(await names(join(node.root, "tmp", "trash")), []);
  }
});

async function newFolder(parent: string, name: number): Promise<string> {
  const path = join(parent, `new-${name}`);
  await Deno.mkdir(path);
  return path;
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}
