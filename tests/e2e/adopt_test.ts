/** A node whose state is lost or damaged, and the commands that mend it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inProcess } from "../cli/in_process.ts";
import { testFolder } from "../fixtures/folder.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, refuses, request, TestNode } from "./node.ts";

Deno.test("workspaces survive kill -9 and the loss of the journal, each its owner's", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node", {});
  const bob = { owner: "bob", metaId: "b" };
  await node.client.initWorkspace(request("w"));
  await node.client.initWorkspace(request("b", { metadata: bob }));
  await Deno.writeTextFile(join(node.workspace("b"), "secret"), "bob's work");
  const tree = await readTree(node.workspace("b"));
  const state = (...args: string[]) => inProcess("state", ...args, "--root", node.root);

  const busy = await state("check");
  assertEquals(busy.code, 1);
  assertStringIncludes(busy.stderr, "uses it; stop that one");

  await node.end("SIGKILL");
  for (const name of ["lock", "state.db"]) await Deno.remove(join(node.root, "state", name));
  await node.startAgain();
  assertEquals(await node.client.isWorkspaceExists("b"), false);
  await refuses("ALREADY_EXISTS", "b", () => node.client.initWorkspace(request("b")));
  await node.end("SIGKILL");

  const lost = await state("check");
  assertEquals(lost.code, 1);
  assertMatch(lost.stdout, /^adoptable +b +bob\/b$/m);
  assertEquals((await state("adopt", "b", "--owner", "mallory", "--meta-id", "b")).code, 1);
  const adopted = await state("adopt", "--all");
  assertEquals([adopted.code, adopted.stderr], [0, ""]);
  assertMatch(adopted.stdout, /^adopted b, bob\/b$/m);

  await node.startAgain();
  assertEquals(await readTree(node.workspace("b")), tree);
  assert(await node.client.isWorkspaceExists("w"));
  await node.client.disposeWorkspace({ id: "b", backup: true });
  await node.client.initWorkspace({ ...fromBackup("again"), metadata: bob });
  assertEquals(await readTree(node.workspace("again")), tree);
});
