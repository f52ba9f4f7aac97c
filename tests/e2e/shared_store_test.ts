import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { inProcess } from "../cli/in_process.ts";
import { testFolder } from "../fixtures/folder.ts";
import { rounds } from "../fixtures/soak.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, refuses, request, TestNode } from "./node.ts";

/** Changes a part of the workspace, so that both first and later images are made. */
async function edit(path: string): Promise<string> {
  for (let n = 0; n < 10; n++) {
    const bytes = crypto.getRandomValues(new Uint8Array(20_000));
    await Deno.writeFile(join(path, `f${n * Math.ceil(Math.random() * 10)}`), bytes);
  }
  return JSON.stringify(await readTree(path));
}

Deno.test("of two daemons that back the same identity up at once, both have their backup, and one the latest", async () => {
  using folder = testFolder();
  const storage = { kind: "fs", path: join(folder.path, "store") };
  await using left = await TestNode.start(folder.path, "left", { config: { storage } });
  await using right = await TestNode.start(folder.path, "right", { config: { storage } });
  const nodes = [left, right];
  for (const { client } of nodes) await client.initWorkspace(request("w"));
  for (const round of rounds(6)) {
    const trees = await Promise.all(nodes.map((node) => edit(node.workspace("w"))));
    assert(trees[0] !== trees[1]);
    const urls = await Promise.all(nodes.map(({ client }) => client.backupWorkspace("w")));
    const node = nodes[round % 2]!;
    await node.client.initWorkspace(fromBackup("r"));
    const restored = JSON.stringify(await readTree(node.workspace("r")));
    assert(trees.includes(restored), `round ${round}: ${urls}`);
    await node.client.disposeWorkspace({ id: "r" });
  }
  const config = join(folder.path, "left.jsonc");
  const verify = ["store", "--config", config, "--root", left.root, "verify", "--json"];
  const { code, stdout, stderr } = await inProcess(...verify);
  assertEquals(code, 0, stdout + stderr);
  const { images, damage } = JSON.parse(stdout) as { images: number; damage: unknown[] };
  assertEquals([images, damage], [2, []]);
  await drainAndMove(left, right);
});

/** Drains a node by the command, and starts its workspaces on another one. */
async function drainAndMove(from: TestNode, to: TestNode): Promise<void> {
  const identity = (metaId: string) => ({ metadata: { owner: "alice", metaId } });
  const trees: string[] = [];
  for (const id of ["d1", "d2"]) {
    await from.client.initWorkspace(request(id, identity(id)));
    trees.push(await edit(from.workspace(id)));
  }
  const address = ["--addr", from.daemon.addresses[0]!];
  const drained = await inProcess("drain", ...address);
  assertEquals([drained.code, drained.stderr], [0, ""]);
  assertMatch(drained.stdout, /^drained: 3 workspaces, [23] backed up, [01] unchanged\n$/);
  await refuses("UNAVAILABLE", "drained", () => from.client.initWorkspace(request("late")));
  const again = await inProcess("drain", "--json", ...address);
  assertEquals(JSON.parse(again.stdout).figures.failed, "0");
  for (const [n, id] of ["d1", "d2"].entries()) {
    await to.client.initWorkspace({ ...fromBackup(id), ...identity(id) });
    assertEquals(JSON.stringify(await readTree(to.workspace(id))), trees[n]);
  }
  const undone = await inProcess("drain", "--undo", ...address);
  assertEquals([undone.code, undone.stdout], [0, "the node takes workspaces again\n"]);
  await from.client.initWorkspace(request("late"));
}
