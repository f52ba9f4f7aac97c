/** A disk without any room stops neither a start nor a disposal, on any file system. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { readTree } from "../fixtures/tree.ts";
import { canMountDisk, DISK_KINDS, type DiskKind, fillDisk, smallDisk } from "./disk.ts";
import { request, TestNode } from "./node.ts";

for (const kind of DISK_KINDS) {
  const can = canMountDisk(kind);
  Deno.test({
    name: `${kind} that is full lets a daemon start, and its workspaces be disposed of${
      can ? "" : " (ignored: needs root, a loop device and the program that makes it)"
    }`,
    ignore: !can,
    fn: () => fullDiskIsFreed(kind),
  });
}

async function fullDiskIsFreed(kind: DiskKind): Promise<void> {
  using folder = testFolder();
  const disk = join(folder.path, "disk");
  using _disk = smallDisk(disk, undefined, kind);
  // The node's config stays where there is room; its root and its store are not.
  Deno.mkdirSync(join(disk, "root"));
  Deno.symlinkSync(join(disk, "root"), join(folder.path, "node"));
  const storage = { kind: "fs", path: join(disk, "store") };
  // A file system may count what was deleted as used until it has written that down.
  const config = { storage, disk: { initPercent: 0 } };
  await using node = await TestNode.start(folder.path, "node", { config });
  await node.client.initWorkspace(request("kept"));
  await Deno.writeTextFile(join(node.workspace("kept"), "a"), "unsaved work");
  const kept = await readTree(node.workspace("kept"));
  assertEquals(mappedForWriting(node, disk), []);

  const fill = async (id: string) => {
    await node.client.initWorkspace(request(id));
    return () => fillDisk(node.workspace(id));
  };
  const freeSpace = async (id: string) => {
    assertThrows(() => Deno.writeFileSync(join(disk, "more"), new Uint8Array(65536)));
    assertEquals(mappedForWriting(node, disk), []);
    assert(await node.client.isWorkspaceExists(id));
    await node.client.disposeWorkspace({ id });
    assert(!await node.client.isWorkspaceExists(id));
  };

  // While it runs.
  (await fill("first"))();
  await freeSpace("first");
  // While it does not, having stopped in an orderly way.
  const second = await fill("second");
  await node.end("SIGTERM");
  second();
  await node.startAgain();
  await freeSpace("second");
  // While it does not, having been killed.
  const third = await fill("third");
  await node.end("SIGKILL");
  third();
  await node.startAgain();
  await freeSpace("third");

  assertEquals(await readTree(node.workspace("kept")), kept);
  await node.client.initWorkspace(request("last"));
}

{
  const can = canMountDisk("btrfs");
  Deno.test({
    name: `what a killed daemon left makes way for a start that finds no room at all${
      can ? "" : " (ignored: needs root, a loop device and mkfs.btrfs)"
    }`,
    ignore: !can,
    fn: leftoversAreDeleted,
  });
}

/** On btrfs, undoing a change of the journal takes blocks, also after the reserve was used up. */
async function leftoversAreDeleted(): Promise<void> {
  using folder = testFolder();
  const disk = join(folder.path, "disk");
  using _disk = smallDisk(disk, undefined, "btrfs");
  Deno.mkdirSync(join(disk, "root"));
  Deno.symlinkSync(join(disk, "root"), join(folder.path, "node"));
  const storage = { kind: "fs", path: join(folder.path, "store") };
  await using node = await TestNode.start(folder.path, "node", { config: { storage } });
  await node.client.initWorkspace(request("kept"));
  await node.end("SIGTERM");

  const left = join(node.root, `tmp/staging/w~${crypto.randomUUID()}`);
  Deno.mkdirSync(left);
  Deno.writeFileSync(join(left, "half-made"), crypto.getRandomValues(new Uint8Array(65536)));
  for (let n = 0; n < 63; n++) {
    const part = crypto.getRandomValues(new Uint8Array(65536));
    Deno.writeFileSync(join(left, "half-made"), part, { append: true });
  }
  Deno.removeSync(join(node.root, "state/state.db.reserve"));
  await interruptChange(join(node.root, "state/state.db"));
  fillDisk(disk);

  await node.startAgain();
  await node.client.waitForInit("kept");
  await node.client.disposeWorkspace({ id: "kept" });
}

/** Leaves a database as a process does that is killed in the midst of a change. */
async function interruptChange(path: string): Promise<void> {
  const script = `
    import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync(Deno.args[0]);
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = PERSIST; PRAGMA cache_size = 1");
    db.exec("BEGIN IMMEDIATE; CREATE TABLE other (x BLOB); INSERT INTO other VALUES (randomblob(100000))");
    db.exec("UPDATE workspaces SET owner = 'nobody'; INSERT INTO other VALUES (randomblob(300000))");
    Deno.kill(Deno.pid, "SIGKILL");
  `;
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script, path],
    stderr: "inherit",
  }).output();
  assertEquals(signal, "SIGKILL");
}

/** Files of a disk whose pages the daemon writes: one that the disk has no block for ends it. */
function mappedForWriting({ daemon }: TestNode, disk: string): string[] {
  return Deno.readTextFileSync(`/proc/${daemon.pid}/maps`).split("\n")
    .filter((line) => /^\S+ .w.s /.test(line) && line.includes(disk));
}
