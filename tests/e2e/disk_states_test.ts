/**
 * A daemon on a btrfs that was put back to an earlier state, that lost a part of its image, or that
 * compresses. `deno task soak` runs them: each needs several daemons.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { canMountBtrfs, mountBtrfs, TENANT, writeAsTenant } from "../fixtures/btrfs.ts";
import { ClientError } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { bindMount } from "../fixtures/mount.ts";
import { soaking } from "../fixtures/soak.ts";
import { run } from "../fixtures/tools.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, fromSnapshot, refuses, request, TestNode } from "./node.ts";

const problem = !soaking() ? "in deno task soak" : canMountBtrfs() ? undefined : "no btrfs here";
const ignore = problem !== undefined;
const named = (what: string) => ignore ? `${what} (ignored: ${problem})` : what;
const MIB = 1 << 20;

const configOf = (folder: string) => ({
  quota: { driver: "btrfs" },
  contentOwner: TENANT,
  cache: { minFreePercent: 0 },
  storage: { kind: "fs", path: join(folder, "store") },
});

/** Asserts that a backup of what is there now restores exactly that, on a node of its own. */
async function assertSaves(node: TestNode, id: string, folder: string): Promise<void> {
  await node.client.backupWorkspace(id);
  const path = join(folder, `restored-${crypto.randomUUID()}`);
  Deno.mkdirSync(path);
  await using other = await TestNode.start(path, "node", {
    config: { ...configOf(folder), quota: { driver: "none" } },
  });
  await other.client.initWorkspace(fromBackup("other"));
  const [restored, live] = [other.workspace("other"), node.workspace(id)];
  assertEquals(await namesAndTexts(restored), await namesAndTexts(live));
}

async function namesAndTexts(folder: string): Promise<unknown> {
  return (await readTree(folder)).map(({ data: _, ...entry }) => entry);
}

Deno.test({
  name: named(
    "a disk that is put back to an earlier state is saved as it is, not as it was saved last",
  ),
  ignore,
  async fn(t) {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o711);
    using fs = mountBtrfs();
    const config = configOf(folder.path);
    const text = (node: TestNode, name: string, content: string) =>
      Deno.writeTextFileSync(join(node.workspace("w"), name), content);
    const copy = (name: string) => join(folder.path, name);
    const cp = (from: string, to: string) => run("/", "cp", "-a", "--sparse=always", from, to);
    const putBack = async (name: string) => {
      await cp(copy(name), `${fs.image}.back`);
      fs.unmounted(() => Deno.renameSync(`${fs.image}.back`, fs.image));
    };
    for (const where of ["with the state on it", "with the state elsewhere"]) {
      await t.step(where, async () => {
        const name = where.replaceAll(" ", "-");
        const state = copy(`${name}-state`);
        const isElsewhere = where.endsWith("elsewhere");
        // A folder of the root that is on another disk is kept where it is.
        Deno.mkdirSync(join(fs.path, name, "state"), { recursive: true });
        Deno.mkdirSync(state);
        let bound = isElsewhere ? bindMount(state, join(fs.path, name, "state")) : undefined;
        const unbind = () => bound?.[Symbol.dispose]();
        const bind = () => {
          if (isElsewhere) bound = bindMount(state, join(fs.path, name, "state"));
        };
        await using stack = new AsyncDisposableStack();
        stack.defer(unbind);
        const node = stack.use(await TestNode.start(fs.path, name, { config }));
        await node.client.initWorkspace(request("w"));
        for (const file of ["a", "b", "c"]) text(node, file, "first");
        await node.client.backupWorkspace("w");
        text(node, "a", "again");
        await node.client.backupWorkspace("w");
        await node.end("SIGTERM");
        unbind();
        fs.unmounted(() => Deno.copyFileSync(fs.image, copy("earlier.img")));
        await cp(state, copy(`${name}-earlier-state`));
        bind();

        await node.startAgain();
        text(node, "b", "later");
        text(node, "d", "new");
        Deno.removeSync(join(node.workspace("w"), "c"));
        await node.client.backupWorkspace("w");
        await node.client.initWorkspace(
          request("v", { metadata: { owner: "alice", metaId: "v" } }),
        );
        Deno.writeTextFileSync(join(node.workspace("v"), "file"), "somebody's work");
        await node.end("SIGTERM");
        unbind();
        fs.unmounted(() => Deno.copyFileSync(fs.image, copy("later.img")));

        // The disk is older than what was saved, and than the state where that is elsewhere.
        await putBack("earlier.img");
        bind();
        await node.startAgain();
        const contentOf = (file: string) => Deno.readTextFileSync(join(node.workspace("w"), file));
        assertEquals(["a", "b", "c"].map(contentOf), ["again", "first", "first"]);
        // As many transactions as there were, of other content.
        text(node, "c", "other");
        text(node, "e", "new");
        await assertSaves(node, "w", folder.path);
        if (isElsewhere) {
          await refuses("FAILED_PRECONDITION", "v", () => node.client.backupWorkspace("v"));
          await node.client.disposeWorkspace({ id: "v" });
        }
        text(node, "b", "third");
        await assertSaves(node, "w", folder.path);
        await node.end("SIGTERM");
        unbind();

        // The disk is newer than the state.
        await putBack("later.img");
        if (isElsewhere) {
          await Deno.remove(state, { recursive: true });
          await cp(copy(`${name}-earlier-state`), state);
        }
        bind();
        await node.startAgain();
        assertEquals(contentOf("b"), "later");
        assertEquals(Deno.readTextFileSync(join(node.workspace("v"), "file")), "somebody's work");
        text(node, "a", "fourth");
        await assertSaves(node, "w", folder.path);
        if (isElsewhere) assertStringIncludes(node.daemon.log, "v among the workspaces that no");
        await node.end("SIGTERM");
        unbind();
        bound = undefined;
      });
    }
  },
});

Deno.test({
  name: named(
    "a btrfs whose image lost its end under the mount kills nobody, and damages no backup",
  ),
  ignore,
  async fn() {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o711);
    using fs = mountBtrfs();
    const config = configOf(folder.path);
    await using node = await TestNode.start(fs.path, "node", { config });
    await node.client.initWorkspace(request("w"));
    const path = node.workspace("w");
    for (let n = 0; n < 50; n++) {
      const bytes = new Uint8Array(MIB);
      for (let at = 0; at < MIB; at += 65536) {
        crypto.getRandomValues(bytes.subarray(at, at + 65536));
      }
      Deno.writeFileSync(join(path, `file${n}`), bytes);
    }
    await node.client.backupWorkspace("w");
    const saved = await namesAndTexts(path);
    await node.end("SIGTERM");
    fs.unmounted(() => Deno.copyFileSync(fs.image, join(folder.path, "whole.img")));
    await node.startAgain();
    await Deno.truncate(fs.image, 48 * MIB);
    Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "3");

    // Whatever can still be read: no call hangs, none is a bug, and what was stored stays whole.
    const codes: string[] = [];
    const attempt = async (call: () => Promise<unknown>) => {
      const code = await call().then(() => "OK", (error) => {
        assert(error instanceof ClientError, `${error}`);
        return error.code;
      });
      codes.push(code);
      return code;
    };
    await attempt(() => node.client.takeSnapshot({ id: "w" }));
    const edited = (() => {
      try {
        Deno.writeTextFileSync(join(path, "file0"), "edited");
        return true;
      } catch {
        return false;
      }
    })();
    await attempt(() => node.client.backupWorkspace("w"));
    await attempt(() => node.client.initWorkspace(request("x")));
    await attempt(() => node.client.isWorkspaceExists("w"));
    await attempt(() => node.client.disposeWorkspace({ id: "w", backup: true }));
    assertEquals(codes.filter((code) => ["INTERNAL", "UNKNOWN"].includes(code)), [], `${codes}`);
    assert(codes.some((code) => code !== "OK"), `nothing failed: ${codes}`);
    assertMatch(node.daemon.log, /disk fails|damaged|read-only/);
    await node.end("SIGKILL");

    // The disk is put back; what the store has is whole, whichever backup was the last.
    fs.unmounted(() => Deno.renameSync(join(folder.path, "whole.img"), fs.image));
    await node.startAgain();
    assertEquals(await namesAndTexts(path), saved);
    const elsewhere = join(folder.path, "other");
    Deno.mkdirSync(elsewhere);
    await using other = await TestNode.start(elsewhere, "node", {
      config: { ...config, quota: { driver: "none" } },
    });
    await other.client.initWorkspace(fromBackup("other"));
    if (!edited) assertEquals(await namesAndTexts(other.workspace("other")), saved);
    await assertSaves(node, "w", folder.path);
  },
});

Deno.test({
  name: named(
    "on a btrfs that compresses, a quota counts what content takes there, and saves are whole",
  ),
  ignore,
  async fn() {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o711);
    using fs = mountBtrfs(1024 * MIB);
    await run("/", "mount", "-o", "remount,compress-force=zstd", fs.path);
    const config = configOf(folder.path);
    await using node = await TestNode.start(fs.path, "node", { config });
    const storageQuotaBytes = BigInt(40 * MIB);
    await node.client.initWorkspace(request("w", { storageQuotaBytes }));
    const path = node.workspace("w");
    // Zeros take a thirtieth.
    assertEquals(writeAsTenant(join(path, "zeros"), 200), "written");
    Deno.writeTextFileSync(join(path, "text"), "compressed ".repeat(10_000));
    await assertSaves(node, "w", folder.path);
    Deno.writeTextFileSync(join(path, "text"), "compressed ".repeat(9_999));
    await assertSaves(node, "w", folder.path);
    const snapshot = await node.client.takeSnapshot({ id: "w" });
    const before = await namesAndTexts(path);

    // Its own backup is restored; of others' images a restore counts what the files hold.
    await node.client.disposeWorkspace({ id: "w", backup: true });
    await node.client.initWorkspace({ ...fromBackup("w"), storageQuotaBytes });
    assertEquals(await namesAndTexts(path), before);
    await refuses(
      "RESOURCE_EXHAUSTED",
      `${40 * MIB} bytes on disk`,
      () =>
        node.client.initWorkspace({
          ...fromSnapshot("s", snapshot),
          metadata: { owner: "alice", metaId: "other" },
          storageQuotaBytes,
        }),
    );
    await node.client.initWorkspace(fromSnapshot("s", snapshot));
    assertEquals(await namesAndTexts(node.workspace("s")), before);
  },
});
