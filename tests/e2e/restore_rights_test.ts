/**
 * Daemons with fewer rights than those that made the content: what they cannot make is left out and
 * said, the rest comes back, and nothing of it is lost from the backups for that.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { findProgram } from "../../src/process/find_program.ts";
import { testFolder } from "../fixtures/folder.ts";
import {
  device,
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  symlink,
  type TreeEntry,
  type TreeTable,
} from "../fixtures/tree.ts";
import { fromBackup, request, TestNode } from "./node.ts";

const SETPRIV = findProgram("setpriv", Deno.env.get("PATH") ?? "");
const CAN_DROP = Deno.uid() === 0 && SETPRIV !== undefined;
const NEEDS = CAN_DROP ? "" : " (ignored: needs root and setpriv)";

/** wsdaemon as root without these capabilities. */
function without(...capabilities: string[]): readonly [string, ...string[]] {
  const set = capabilities.map((name) => `-${name}`).join(",");
  return [SETPRIV!, `--bounding-set=${set}`, "--no-new-privs", ...FROM_SOURCE];
}

const owner = { uid: 77, gid: 88 };
/** `cap_net_raw=p`, as `setcap` writes it. */
const CAPABILITY = Uint8Array.of(0, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

const TABLE: TreeTable = [
  ["dev", directory({ mode: 0o750, mtime: 1_600_000_000_000_000_000n })],
  ["dev/loop", device(7, 0)],
  ["dev/null", device(1, 3)],
  ["dev/null-too", hardlink("dev/null")],
  ["dev/pipe", fifo()],
  ["dev/real", file("not a device")],
  ["gone", directory()],
  ["gone/zero", device(1, 5)],
  ["link", symlink("dev/null")],
  ["owned", file("theirs", { owner })],
  ["ping", file("#!", { mode: 0o755, xattrs: { "security.capability": CAPABILITY } })],
  ["precious", file("unsaved work", { xattrs: { "user.note": "mine" } })],
  ["sudo", file("#!", { mode: 0o4755, owner })],
];

/** Paths with what a test compares of them: all but what only a node knows. */
function byPath(tree: readonly TreeEntry[]): Map<string, TreeEntry> {
  return new Map(tree.map((entry) => [entry.path, entry]));
}

Deno.test({
  name: `devices that a daemon may not make are left out, and kept in the backups${NEEDS}`,
  ignore: !CAN_DROP,
  async fn() {
    using folder = testFolder();
    const config = { storage: { kind: "fs", path: join(folder.path, "store") } };
    await using able = await TestNode.start(folder.path, "able", { config });
    await using unable = await TestNode.start(folder.path, "unable", {
      config: { ...config, metrics: { listen: "127.0.0.1:0" } },
      command: without("mknod"),
    });
    await able.client.initWorkspace(request("w"));
    await makeTree(able.workspace("w"), TABLE);
    const whole = await readTree(able.workspace("w"));
    await able.client.disposeWorkspace({ id: "w", backup: true });
    assert(!able.daemon.log.includes("cannot restore"), able.daemon.log);

    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    await unable.client.initWorkspace(fromBackup("w"), { onWarning });
    assertMatch(warnings.join(), /Left out of the workspace.*3 device/);
    const devices = ["dev/loop", "dev/null", "dev/null-too", "gone/zero"];
    const rest = (tree: readonly TreeEntry[]) => tree.filter(({ path }) => !devices.includes(path));
    assertEquals(await readTree(unable.workspace("w")), rest(whole));
    await unable.daemon.logMatching(/Left out of workspace w.*3 device.*1 link.*device dev\/loop/s);
    const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(unable.daemon.log)![1];
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assertStringIncludes(metrics, 'wsdaemon_workspace_not_restored_total{kind="device"} 3');

    // What is done there reaches the next backup, and the devices that could not be made stay in it.
    await Deno.writeTextFile(join(unable.workspace("w"), "dev", "loop"), "a file by now");
    await Deno.writeTextFile(join(unable.workspace("w"), "new"), "more work");
    await Deno.remove(join(unable.workspace("w"), "gone"), { recursive: true });
    await unable.client.backupWorkspace("w");
    await Deno.writeTextFile(join(unable.workspace("w"), "new"), "still more work");
    await unable.client.disposeWorkspace({ id: "w", backup: true });
    await unable.daemon.logMatching(/Kept 1 entries in the image of w/);

    await able.client.initWorkspace(fromBackup("again"));
    const back = byPath(await readTree(able.workspace("again")));
    const { sameAs: _, ...device } = byPath(whole).get("dev/null")!;
    assertEquals(back.get("dev/null"), device);
    assertEquals(back.get("dev/loop")?.type, "file");
    assertEquals(back.get("new")?.size, "still more work".length);
    assert(!back.has("gone"), "what was deleted stays deleted");
    assertEquals(back.get("precious"), byPath(whole).get("precious"));
  },
});

Deno.test({
  name:
    `owners, capabilities and set-id bits that a daemon may not set are left out and counted${NEEDS}`,
  ignore: !CAN_DROP,
  async fn() {
    using folder = testFolder();
    const config = { storage: { kind: "fs", path: join(folder.path, "store") } };
    await using able = await TestNode.start(folder.path, "able", { config });
    await using unable = await TestNode.start(folder.path, "unable", {
      config,
      command: without("chown", "mknod", "setfcap"),
    });
    await able.client.initWorkspace(request("w"));
    await makeTree(able.workspace("w"), TABLE);
    const whole = byPath(await readTree(able.workspace("w")));
    await able.client.disposeWorkspace({ id: "w", backup: true });

    await unable.client.initWorkspace(fromBackup("w"));
    const found = byPath(await readTree(unable.workspace("w")));
    const mine = { uid: 0, gid: 0 };
    assertEquals(found.get("owned"), { ...whole.get("owned")!, ...mine });
    assertEquals(found.get("sudo"), { ...whole.get("sudo")!, ...mine, mode: "0755" });
    const { xattrs: _, ...ping } = whole.get("ping")!;
    const { xattrs: none, ...restored } = found.get("ping")!;
    assertEquals(restored, ping);
    assert(!none || Object.keys(none).length === 0, JSON.stringify(none));
    assertEquals(found.get("precious"), whole.get("precious"));
    for (const kind of ["owner", "set-id", "xattr", "device"]) {
      await unable.daemon.logMatching(new RegExp(`Left out of workspace w.*${kind}`, "s"));
    }

    // A backup says before anything is deleted what this daemon could not bring back.
    await makeTree(unable.workspace("w"), [["random", device(1, 8)]]);
    await unable.client.backupWorkspace("w");
    await unable.daemon.logMatching(/image of w has what .* cannot restore.*device random/s);
  },
});
