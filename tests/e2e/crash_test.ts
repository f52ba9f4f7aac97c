import { assert, assertEquals } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { rounds } from "../fixtures/soak.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, fromSnapshot, refuses, request, TestNode } from "./node.ts";

/** Enough that a pack or a restore takes a while. */
async function fill(folder: string, files: number): Promise<void> {
  const bytes = new Uint8Array(50_000);
  for (let n = 0; n < files; n++) {
    if (n % 100 === 0) await Deno.mkdir(join(folder, `d${n / 100}`));
    crypto.getRandomValues(bytes);
    await Deno.writeFile(join(folder, `d${Math.floor(n / 100)}`, `f${n}`), bytes);
  }
}

/** Milliseconds from the start of the work to the kill: any moment will do, and these are spread. */
function* moments(usual: readonly number[]): Generator<number> {
  for (const round of rounds(usual.length, 0.5)) yield usual[round] ?? Math.random() * 300;
}

async function pass(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("after kill -9 what was acknowledged is there, and what is promised while the store fails is NOT_FOUND until it is stored", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node", {
    config: { backup: { attempts: 1 } },
  });
  const other = { owner: "bob", metaId: "m" };
  await node.client.initWorkspace(request("kept", { metadata: other }));
  await Deno.writeTextFile(join(node.workspace("kept"), "a"), "unsaved work");
  await node.client.backupWorkspace("kept");
  await Deno.writeTextFile(join(node.workspace("kept"), "b"), "more of it");
  const tree = await readTree(node.workspace("kept"));

  const refs = join(node.root, "store", "refs");
  const obstacles = [join(refs, "snapshots"), join(refs, "backups")];
  const aside = join(folder.path, "backups");
  await Deno.rename(obstacles[1]!, aside);
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
  assert(await node.client.isWorkspaceExists("kept"));
  await node.client.waitForInit("kept");
  assertEquals(await readTree(node.workspace("kept")), tree);
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
  await Deno.rename(aside, obstacles[1]!);
  await final();
  await node.client.initWorkspace(fromBackup("b"));
  assertEquals(await Deno.readTextFile(join(node.workspace("b"), "a")), "unsaved work");
  await node.client.disposeWorkspace({ id: "kept", backup: true });
  await node.client.initWorkspace({ ...fromBackup("again"), metadata: other });
  assertEquals(await readTree(node.workspace("again")), tree);
  assertEquals(await names(join(node.root, "tmp", "spool")), []);
});

Deno.test("kill -9 at any moment of a backup leaves the previous or the new one whole, and a promised snapshot is finished", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  await node.client.initWorkspace(request("w"));
  await fill(node.workspace("w"), 160);
  const versions = new Set<string>();
  const remember = async () => versions.add(JSON.stringify(await readTree(node.workspace("w"))));
  await remember();
  await node.client.backupWorkspace("w");
  const promised: string[] = [];
  for (const delay of moments([0, 20, 100])) {
    await Deno.writeTextFile(join(node.workspace("w"), "d0", "f0"), `before ${delay}`);
    await fill(await newFolder(node.workspace("w"), delay), 40);
    await remember();
    promised.push(await node.client.takeSnapshot({ id: "w", returnImmediately: true }));
    const backup = node.client.backupWorkspace("w").catch(() => {});
    await pass(delay);
    await node.end("SIGKILL");
    await backup;
    await node.startAgain();
    const metadata = { owner: "alice", metaId: "m" };
    const id = `r${delay}`;
    await node.client.initWorkspace({ ...fromBackup(id), metadata });
    assert(versions.has(JSON.stringify(await readTree(node.workspace(id)))), `after ${delay} ms`);
    await node.client.disposeWorkspace({ id });
    await deleted(node);
    assertEquals(await names(join(node.root, "tmp", "staging")), []);
  }
  await node.client.disposeWorkspace({ id: "w" });
  for (const [n, url] of promised.entries()) {
    await node.client.initWorkspace(fromSnapshot(`s${n}`, url));
  }
});

Deno.test("kill -9 during an initialisation or a disposal leaves nothing half-made", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  await node.client.initWorkspace(request("source"));
  await fill(node.workspace("source"), 200);
  const tree = JSON.stringify(await readTree(node.workspace("source")));
  const url = await node.client.takeSnapshot({ id: "source" });
  await node.client.initWorkspace(fromSnapshot("old", url));
  for (const delay of moments([0, 60])) {
    // One kill for both: what is there afterwards is judged one by one.
    const answered = (call: Promise<unknown>) => call.then(() => true, () => false);
    const init = answered(node.client.initWorkspace(fromSnapshot("new", url)));
    const disposal = answered(node.client.disposeWorkspace({ id: "old" }));
    await pass(delay);
    await node.end("SIGKILL");
    const [acknowledged, gone] = await Promise.all([init, disposal]);
    await node.startAgain();
    await deleted(node);

    const known = await node.client.isWorkspaceExists("new");
    assertEquals(await exists(node.workspace("new")), known, `init, ${delay} ms`);
    assert(known || !acknowledged, "what was acknowledged is there");
    if (!known) await node.client.initWorkspace(fromSnapshot("new", url));
    const there = await node.client.isWorkspaceExists("old");
    assertEquals(await exists(node.workspace("old")), there, `dispose, ${delay} ms`);
    assert(!(gone && there), "what was disposed of stays gone");
    if (!there) await node.client.initWorkspace(fromSnapshot("old", url));
    for (const id of ["new", "old"]) {
      assertEquals(JSON.stringify(await readTree(node.workspace(id))), tree, id);
    }
    assertEquals(await names(join(node.root, "tmp", "trash")), []);
    await node.client.disposeWorkspace({ id: "new" });
  }
});

/** Waits until what the killed daemon left is deleted, which goes on beside the other work. */
async function deleted(node: TestNode): Promise<void> {
  const areas = ["staging", "trash"].map((area) => join(node.root, "tmp", area));
  await eventually(async () => assertEquals((await Promise.all(areas.map(names))).flat(), []));
}

async function newFolder(parent: string, name: number): Promise<string> {
  const path = join(parent, `new-${name}`);
  await Deno.mkdir(path);
  return path;
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}
