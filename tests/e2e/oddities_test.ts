/** Whatever lies in the root, the daemon starts and serves the rest, and touches nothing outside. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { ODDITIES } from "../fixtures/oddities.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, refuses, request, TestNode } from "./node.ts";

/** Names that trees and folders of an earlier daemon have. */
const OWN = "0f6b9e51-3c63-4e0b-93c5-5a3bd8f6f0aa";

/** Where something odd keeps no workspace but its own from being served. */
const PLACES = [
  "odd",
  "workspaces/odd",
  "workspaces/replaced",
  "state/odd",
  "state/baselines/good",
  "state/baselines/odd",
  `state/baselines/.${OWN}`,
  "tmp/odd",
  "tmp/staging/odd",
  `tmp/staging/${OWN}`,
  `tmp/staging/free~${OWN}`,
  "tmp/trash/odd",
  `tmp/trash/${OWN}`,
  `tmp/trash/free~${OWN}`,
  "tmp/spool/odd",
  "tmp/git/odd",
  `tmp/git/${OWN}`,
  "store/odd",
  "store/blobs/odd",
  "store/blobs/sha256/odd",
  "store/refs/odd",
  "store/tmp/odd",
];

/** Those that stay, since they are not ours. */
const FOREIGN = PLACES.filter((path) => path.endsWith("odd"));

for (const kind of ODDITIES) {
  Deno.test(`wherever ${kind.name} lies, the daemon starts and serves the rest`, async () => {
    using folder = testFolder();
    const outside = join(folder.path, "outside");
    Deno.mkdirSync(join(outside, "folder"), { recursive: true });
    Deno.writeTextFileSync(join(outside, "sentinel"), "precious");
    const before = await readTree(outside);
    await using node = await TestNode.start(folder.path, "node");
    const { root } = node;
    for (const id of ["good", "replaced"]) {
      await node.client.initWorkspace(request(id, { metadata: { owner: "alice", metaId: id } }));
      Deno.writeTextFileSync(join(node.workspace(id), "file"), id);
    }
    await node.client.backupWorkspace("good");
    await node.end("SIGKILL");
    for (const path of ["workspaces/replaced", "state/baselines/good"]) {
      Deno.removeSync(join(root, path), { recursive: true });
    }
    using stack = new DisposableStack();
    for (const path of PLACES) stack.use(kind.put(join(root, path), outside));

    await node.startAgain();
    await node.client.backupWorkspace("good");
    await node.client.backupWorkspace("good");
    const good = { metadata: { owner: "alice", metaId: "good" } };
    await node.client.initWorkspace({ ...fromBackup("again"), ...good });
    assertEquals(Deno.readTextFileSync(join(node.workspace("again"), "file")), "good");
    await node.client.initWorkspace(request("free"));
    await refuses("ALREADY_EXISTS", "odd", () => node.client.initWorkspace(request("odd")));
    assert(await node.client.isWorkspaceExists("replaced"));
    if (!Deno.lstatSync(node.workspace("replaced")).isDirectory) {
      const words = `something else at ${node.workspace("replaced")}`;
      await refuses("FAILED_PRECONDITION", words, () => node.client.backupWorkspace("replaced"));
    }
    const disposal = () => node.client.disposeWorkspace({ id: "good", backup: true });
    if (!kind.isStuck) await disposal();
    else await refuses("FAILED_PRECONDITION", `${root}/state/baselines/good`, disposal);
    for (const path of FOREIGN) Deno.lstatSync(join(root, path));
    // The daemon ends before what was put there is undone.
    await node.stop();
    assertEquals(await readTree(outside), before);
  });
}
