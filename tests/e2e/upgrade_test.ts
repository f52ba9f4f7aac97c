/** The state of other versions: earlier ones' is taken over, newer ones' is left alone. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists, walk } from "@std/fs";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { wsdaemon } from "../cli/fixture.ts";
import { inProcess } from "../cli/in_process.ts";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { fromSnapshot, request, TestNode } from "./node.ts";

const DUMP = new URL("./states/0.1.0.sql", import.meta.url);
const PROMISED = "wsdaemon:snapshot/alice/notes/20261129T143145Z-8d4c297b178c208b";

/** Makes a root as a killed wsdaemon 0.1.0 left one behind. */
async function makeOldRoot(root: string): Promise<void> {
  const trees = ["workspaces/kept", "workspaces/other", `tmp/staging/${crypto.randomUUID()}`];
  const folders = ["state/baselines", "tmp/spool", "store", `tmp/trash/${crypto.randomUUID()}`];
  for (const folder of [...trees, ...folders]) {
    await Deno.mkdir(join(root, folder), { recursive: true });
  }
  for (const tree of trees) await Deno.writeTextFile(join(root, tree, "file"), `in ${tree}`);
  await Deno.writeTextFile(join(root, "state", "lock"), "12345\n");
  const path = join(root, "state", "state.db");
  const database = new DatabaseSync(`${path}.whole`);
  database.exec(await Deno.readTextFile(DUMP));
  // While it is open, as closing it would leave no write-ahead log.
  for (const suffix of ["", "-wal"]) await Deno.copyFile(`${path}.whole${suffix}`, path + suffix);
  database.close();
  for (const suffix of ["", "-wal", "-shm"]) {
    await Deno.remove(`${path}.whole${suffix}`).catch(() => {});
  }
}

Deno.test("what version 0.1.0 left when it was killed is taken over: workspaces, promises, disposals", async () => {
  using folder = testFolder();
  await makeOldRoot(join(folder.path, "node"));
  await using node = await TestNode.start(folder.path, "node");
  const has = async (id: string) => await node.client.isWorkspaceExists(id);
  assert(await has("kept"));
  assert(await has("other"));
  await eventually(async () =>
    assertEquals([await has("begun"), await has("going")], [false, false])
  );
  assertEquals(
    await Deno.readTextFile(join(node.workspace("other"), "file")),
    "in workspaces/other",
  );
  // The promise is kept: the snapshot's restore is refused until it is stored.
  await eventually(() => node.client.initWorkspace(fromSnapshot("again", PROMISED)));
  assertEquals(
    await Deno.readTextFile(join(node.workspace("again"), "file")),
    "in workspaces/kept",
  );
  await eventually(async () => {
    const left = await Array.fromAsync(Deno.readDir(join(node.root, "tmp/staging")));
    assertEquals(left.map(({ name }) => name), []);
  });
  // Its state can be adopted from now on.
  assert(await exists(join(node.root, "state", "workspaces", "other.json")));
  await node.client.disposeWorkspace({ id: "other", backup: true });
  await node.client.initWorkspace(request("begun"));
});

Deno.test("the state of a newer version is refused before anything is touched", async () => {
  using folder = testFolder();
  const root = join(folder.path, "node");
  await makeOldRoot(root);
  const path = join(root, "state", "state.db");
  {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
  }
  const before = await contentOf(root);
  const flags = ["--root", root, "--listen", "127.0.0.1:0", "--metrics-listen", "off"];
  const { code, stderr } = await wsdaemon(["run", ...flags]);
  assertEquals(code, 1, stderr);
  assertStringIncludes(stderr, `${path} has version 99, this wsdaemon reads 1`);
  assertEquals(await contentOf(root), before);
  const doctor = await inProcess("doctor", "--offline", "--root", root);
  assertEquals(doctor.code, 1);
  assertStringIncludes(doctor.stdout, "has version 99");
});

/** Returns every path below a folder, with what tells whether it was touched. */
async function contentOf(folder: string): Promise<unknown[]> {
  const entries = [];
  for await (const { path } of walk(folder)) {
    const { size, mode, mtime, ino } = await Deno.lstat(path);
    entries.push([path, size, mode, mtime?.getTime(), ino]);
  }
  return entries.sort();
}
