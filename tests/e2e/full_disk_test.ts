import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { readTree } from "../fixtures/tree.ts";
import { canMountDisk, smallDisk } from "./disk.ts";
import { fromBackup, refuses, request, TestNode } from "./node.ts";

const MIB = 1 << 20;

async function grow(path: string, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += 65536) {
    const part = crypto.getRandomValues(new Uint8Array(65536));
    await Deno.writeFile(path, part, { append: true });
  }
}

/** Leaves no room on the disk but what is asked. */
async function fill(ballast: string, free: number): Promise<void> {
  using file = await Deno.open(ballast, { create: true, write: true, truncate: true });
  const zeros = new Uint8Array(65536);
  try {
    while (await file.write(zeros) > 0);
  } catch {
    // It is full.
  }
  const { size } = await file.stat();
  await file.truncate(Math.max(0, size - free));
}

function leftovers(root: string): string[] {
  const areas = ["tmp/staging", "tmp/trash", "tmp/spool"];
  return areas.flatMap((area) => [...Deno.readDirSync(join(root, area))].map(({ name }) => name));
}

Deno.test({
  name: `a disk that is full is RESOURCE_EXHAUSTED, loses nothing, and is well again with room${
    canMountDisk() ? "" : " (ignored: needs root, mkfs.ext4 and a loop device)"
  }`,
  ignore: !canMountDisk(),
  fn: async () => {
    using folder = testFolder();
    const root = join(folder.path, "node");
    using _disk = smallDisk(root, 32 * MIB);
    const storage = { kind: "fs", path: join(folder.path, "store") };
    await using node = await TestNode.start(folder.path, "node", { config: { storage } });
    const { client } = node;
    const small = { metadata: { owner: "bob", metaId: "small" } };
    await client.initWorkspace({ ...request("small"), ...small });
    await Deno.writeTextFile(join(node.workspace("small"), "a"), "unsaved work");
    await client.disposeWorkspace({ id: "small", backup: true });
    await client.initWorkspace(request("w"));
    const file = join(node.workspace("w"), "a");
    await grow(file, 8 * MIB);
    await client.backupWorkspace("w");
    const backedUp = await readTree(node.workspace("w"));
    const ballast = join(root, "ballast");

    // A workspace that does not fit leaves nothing, and one that fits is made beside what is left.
    await fill(ballast, 4 * MIB);
    await refuses("RESOURCE_EXHAUSTED", "", () => client.initWorkspace(fromBackup("r")));
    assert(!await client.isWorkspaceExists("r"));
    assertEquals(leftovers(root), []);
    await client.initWorkspace({ ...fromBackup("r"), ...small });
    assertEquals(await Deno.readTextFile(join(node.workspace("r"), "a")), "unsaved work");

    // Before it is full, what is there can be saved and disposed of, and nothing new is taken.
    await fill(ballast, 256 << 10);
    await refuses(
      ...["RESOURCE_EXHAUSTED", "This node takes no new workspaces"] as const,
      () => client.initWorkspace(request("new")),
    );
    await refuses(
      "RESOURCE_EXHAUSTED",
      "% full, with 0 MiB free",
      () => client.initWorkspace(request("new")),
    );
    await client.backupWorkspace("r");
    await fill(ballast, 4 * MIB);

    // Neither does an image: its spool cannot be written.
    await grow(join(node.workspace("w"), "b"), 3 * MIB);
    await fill(ballast, 0);
    const edited = await readTree(node.workspace("w"));
    await refuses("RESOURCE_EXHAUSTED", "", () => client.backupWorkspace("w"));
    await refuses("RESOURCE_EXHAUSTED", "", () => client.takeSnapshot({ id: "w" }));
    await refuses("RESOURCE_EXHAUSTED", "", () => client.initWorkspace(fromBackup("e")));
    await refuses("DATA_LOSS", "", () => client.disposeWorkspace({ id: "w", backup: true }));
    await client.waitForInit("w");
    assertEquals(await readTree(node.workspace("w")), edited);
    assertEquals(leftovers(root), []);

    // A full disk keeps nobody from making room on it, not even after a crash.
    await node.end("SIGKILL");
    await node.startAgain();
    assertEquals(await readTree(node.workspace("w")), edited);
    await node.client.disposeWorkspace({ id: "r" });
    await Deno.remove(ballast);
    await node.client.initWorkspace(fromBackup("before"));
    assertEquals(await readTree(node.workspace("before")), backedUp);
    await node.client.disposeWorkspace({ id: "before" });
    await node.client.disposeWorkspace({ id: "w", backup: true });
    await node.client.initWorkspace(fromBackup("after"));
    assertEquals(await readTree(node.workspace("after")), edited);
  },
});
