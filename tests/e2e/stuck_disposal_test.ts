/** What cannot be deleted of a disposed workspace is said, stays taken, and goes once it can. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { until } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { CAN_MAKE_IMMUTABLE, makeMutable } from "../fixtures/oddities.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { refuses, request, TestNode } from "./node.ts";

interface Blocker {
  name: string;
  ignore: boolean;
  /** Puts it below a workspace's folder; undone by its disposal, wherever that has moved. */
  put(workspace: string, trash: string): Disposable;
  /** What the message says after the absolute path of what cannot be deleted. */
  words: RegExp;
}

function attribute(flag: "i" | "a", entry: string) {
  return (workspace: string, trash: string): Disposable => {
    new Deno.Command("chattr", { args: [`+${flag}`, join(workspace, entry)] }).outputSync();
    return {
      [Symbol.dispose]() {
        makeMutable(workspace);
        makeMutable(trash);
      },
    };
  };
}

const OBSTACLES: Blocker[] = [
  {
    name: "an immutable file",
    ignore: !CAN_MAKE_IMMUTABLE,
    put: attribute("i", "d/f"),
    words: /tmp\/trash\/bad~[-0-9a-f]+\/d\/f: it has the attribute immutable; .*chattr -i \//,
  },
  {
    name: "an append-only folder",
    ignore: !CAN_MAKE_IMMUTABLE,
    put: attribute("a", "d"),
    words:
      /tmp\/trash\/bad~[-0-9a-f]+\/d\/f: its folder has the attribute append-only; .*chattr -a \//,
  },
  {
    name: "a workspace's folder that is immutable",
    ignore: !CAN_MAKE_IMMUTABLE,
    put: attribute("i", "."),
    words: /workspaces\/bad: it has the attribute immutable; .*chattr -i \//,
  },
  {
    name: "a mount",
    ignore: !canMount(),
    put: (workspace) => smallFileSystem(join(workspace, "d"), 65536),
    words:
      /tmp\/trash\/bad~[-0-9a-f]+\/d: something is mounted there; unmount it first \(umount \//,
  },
];

for (const { name, ignore, put, words } of OBSTACLES) {
  Deno.test({
    name: `${name} keeps a disposal from its end, but no start and no other workspace`,
    ignore,
    async fn() {
      using folder = testFolder();
      await using node = await TestNode.start(folder.path, "node", {
        config: { metrics: { listen: "127.0.0.1:0" } },
      });
      for (const id of ["bad", "good"]) {
        await node.client.initWorkspace(request(id, { metadata: { owner: "o", metaId: id } }));
      }
      const workspace = node.workspace("bad");
      Deno.mkdirSync(join(workspace, "d"));
      Deno.writeTextFileSync(join(workspace, "d/f"), "x");
      const trash = join(node.root, "tmp/trash");
      using stack = new DisposableStack();
      stack.use(put(workspace, trash));

      for (let life = 0; life < 2; life++) {
        for (let call = 0; call < 2; call++) {
          const error = await node.client.disposeWorkspace({ id: "bad" }).catch((error) => error);
          assertEquals(error.code, "FAILED_PRECONDITION", String(error));
          assertMatch(error.message, /Workspace bad is being deleted.*cannot delete \//);
          assertMatch(error.message, words);
        }
        await refuses("ALREADY_EXISTS", "bad", () => node.client.initWorkspace(request("bad")));
        assert(await node.client.isWorkspaceExists("bad"));
        await node.client.backupWorkspace("good");
        await node.daemon.logMatching(/\[ERR\].*Cannot delete workspace bad, attempt 1/);
        assertMatch(await metricsOf(node), /wsdaemon_workspace_deletions_pending 1\n/);
        assertMatch(await metricsOf(node), /wsdaemon_workspace_deletion_failures_total [2-9]/);
        if (life > 0) continue;
        await node.end("SIGKILL");
        await node.startAgain();
      }
      stack.dispose();
      // Nobody asks: it is deleted by itself.
      await until("bad is deleted", async () => !await node.client.isWorkspaceExists("bad"));
      assertEquals([...Deno.readDirSync(trash)], []);
      await node.client.initWorkspace(request("bad"));
    },
  });
}

async function metricsOf({ daemon }: TestNode): Promise<string> {
  const ports = [...daemon.log.matchAll(/Metrics are on 127\.0\.0\.1:(\d+)/g)];
  return await (await fetch(`http://127.0.0.1:${ports.at(-1)![1]}/metrics`)).text();
}
