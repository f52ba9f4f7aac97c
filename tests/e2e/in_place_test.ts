/** Workspaces whose folders somebody else makes first, as for the volume of a container. */

import { assert, assertEquals } from "@std/assert";
import { existsSync } from "@std/fs";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { makeRemote } from "../fixtures/git_repos.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { directory, file, makeTree, readTree, symlink, type TreeEntry } from "../fixtures/tree.ts";
import {
  fromBackup,
  fromGit,
  fromSnapshot,
  refuses,
  type Request,
  request,
  sharedNode,
} from "./node.ts";

const shared = sharedNode({
  config: {
    init: { inPlace: true },
    compat: { readyFile: true },
    git: { protocols: ["file"] },
    net: { allowLoopback: true },
  },
});

/** Makes the folder of a workspace, which a container has as its volume from then on. */
function makeVolume(id: string): { path: string; ino: number | null } {
  const path = shared().workspace(id);
  Deno.mkdirSync(path);
  return { path, ino: Deno.statSync(path).ino };
}

/** Serves one file. */
function serveTool() {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("tool"),
  );
  const digest = "sha256:c8bdf0c5b40c3de3a1a1f9e0b19cf36bd2d5a7f3de6bc4cdbb9fe8cfe8c2fd4e";
  return { server, url: `http://127.0.0.1:${server.addr.port}/tool`, digest };
}

/** What the ready files of workspaces say, where it is not that their content is from elsewhere. */
const SOURCES: Record<string, string> = {
  snapshot: "from-backup",
  backup: "from-backup",
  prebuild: "from-prebuild",
};

/** What a tree holds but for its ready file, and the times of folders, which change as that comes and goes. */
function withoutReadyFile(entries: TreeEntry[]) {
  return entries.filter(({ path }) => path !== ".gitpod/ready")
    .map((entry) => entry.type === "directory" ? { ...entry, mtime: "" } : entry);
}

Deno.test("every initializer fills a folder that was made first, and its saves and disposal are as ever", async () => {
  const { client } = shared();
  using folder = testFolder();
  const remote = makeRemote(join(folder.path, "remote"), [
    { branch: "main", subject: "first", files: { "in git": "1" } },
  ]);
  const source = makeVolume("source").path;
  await client.initWorkspace(request("source"));
  await makeTree(source, [
    [".", directory({ mode: 0o700 })],
    ["folder", directory()],
    ["folder/work", file("unsaved")],
    ["link", symlink("folder/work")],
  ]);
  const before = await readTree(source);
  assert(existsSync(join(source, ".gitpod/ready")));
  const snapshot = await client.takeSnapshot({ id: "source" });
  assert(!existsSync(join(source, ".gitpod/ready")), "no image has a ready file");
  await client.disposeWorkspace({ id: "source", backup: true });
  assert(!existsSync(source), "the folder is removed with the workspace");

  const git = { remoteUri: `file://${remote}`, checkoutLocation: "repo" };
  const requests: [Request, string[]][] = [
    [request("empty"), []],
    [fromGit("git", git.remoteUri, { checkoutLocation: "repo" }), ["repo"]],
    [fromSnapshot("snapshot", snapshot), ["folder", "link"]],
    [fromBackup("backup"), ["folder", "link"]],
    [
      request("prebuild", {
        initializer: {
          spec: { case: "prebuild", value: { prebuild: { snapshot }, git: [git] } },
        },
      }),
      ["folder", "link", "repo"],
    ],
    [
      request("composite", {
        initializer: {
          spec: {
            case: "composite",
            value: {
              initializer: [
                { spec: { case: "backup", value: {} } },
                { spec: { case: "git", value: git } },
              ],
            },
          },
        },
      }),
      ["folder", "link", "repo"],
    ],
  ];
  for (const [one, names] of requests) {
    const id = one.id!;
    const { path, ino } = makeVolume(id);
    await client.initWorkspace(one);
    const found = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
    assertEquals(found, [".gitpod", ...names], id);
    assertEquals(JSON.parse(Deno.readTextFileSync(join(path, ".gitpod/ready"))), {
      source: SOURCES[id] ?? "from-other",
    });
    assertEquals(Deno.statSync(path).ino, ino, `${id} is in the folder that was there`);
    if (id === "backup" || id === "snapshot") {
      assertEquals(withoutReadyFile(await readTree(path)), withoutReadyFile(before));
    }
    const status = await client.disposeWorkspace({ id });
    assertEquals(status?.branch, names.includes("repo") ? "main" : undefined, id);
    assert(!existsSync(path), id);
  }
});

Deno.test({
  name:
    "a mounted volume is filled, survives a restart with its content, and stays when it is emptied",
  ignore: !canMount(),
  async fn() {
    const node = shared();
    const { path } = makeVolume("mounted");
    using _mounted = smallFileSystem(path, 4 << 20);
    const alice = { metadata: { owner: "alice", metaId: "mounted" } };
    await node.client.initWorkspace(request("mounted", alice));
    Deno.writeTextFileSync(join(path, "work"), "first");
    await node.client.backupWorkspace("mounted");
    await node.end("SIGKILL");
    const waiting = makeVolume("waiting").path;
    await node.startAgain();
    assert(!node.daemon.log.includes("entry waiting among"), "an empty folder is no orphan");
    await node.client.waitForInit("mounted");
    Deno.writeTextFileSync(join(path, "work"), "second");
    await node.client.disposeWorkspace({ id: "mounted", backup: true });
    assertEquals([...Deno.readDirSync(path)], []);
    await node.client.initWorkspace({ ...fromBackup("mounted"), ...alice });
    assertEquals(Deno.readTextFileSync(join(path, "work")), "second");
    await node.client.disposeWorkspace({ id: "mounted" });
    Deno.removeSync(waiting);
  },
});

Deno.test({
  name: "a volume that is gone is neither saved over its backup nor deleted by the way",
  ignore: !canMount(),
  async fn() {
    const { client, workspace } = {
      client: shared().client,
      workspace: shared().workspace("gone"),
    };
    Deno.mkdirSync(workspace);
    {
      using _mounted = smallFileSystem(workspace, 4 << 20);
      await client.initWorkspace(request("gone", { metadata: { owner: "bob", metaId: "gone" } }));
      Deno.writeTextFileSync(join(workspace, "work"), "unsaved");
      await client.backupWorkspace("gone");
    }
    const words = "another folder is at";
    await refuses("FAILED_PRECONDITION", words, () => client.backupWorkspace("gone"));
    const disposal = () => client.disposeWorkspace({ id: "gone", backup: true });
    await refuses("DATA_LOSS", words, disposal);
    Deno.writeTextFileSync(join(workspace, "else"), "somebody's");
    await client.disposeWorkspace({ id: "gone" });
    assertEquals(Deno.readTextFileSync(join(workspace, "else")), "somebody's");
  },
});

Deno.test("what is in the way of an init stays, and is named", async () => {
  const { client } = shared();
  const { path } = makeVolume("taken");
  Deno.writeTextFileSync(join(path, "theirs"), "somebody's");
  await refuses(
    "ALREADY_EXISTS",
    `${path} cannot be filled: it is not empty (theirs)`,
    () => client.initWorkspace(request("taken")),
  );
  assertEquals(Deno.readTextFileSync(join(path, "theirs")), "somebody's");
  const link = shared().workspace("link");
  Deno.symlinkSync("taken", link);
  const words = `${link} cannot be filled: it is a symbolic link`;
  await refuses("ALREADY_EXISTS", words, () => client.initWorkspace(request("link")));
});

Deno.test("an init that fails leaves the folder as it was, for the next one", async () => {
  const { client } = shared();
  const { server, url, digest } = serveTool();
  await using _server = { [Symbol.asyncDispose]: () => server.shutdown() };
  const { path, ino } = makeVolume("failed");
  const download = (digest: string) =>
    request("failed", {
      initializer: {
        spec: { case: "download", value: { files: [{ url, filePath: "bin/tool", digest }] } },
      },
    });
  await refuses("FAILED_PRECONDITION", "digest", () => client.initWorkspace(download(digest)));
  assertEquals([...Deno.readDirSync(path)], []);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("tool"));
  await client.initWorkspace(download(`sha256:${new Uint8Array(hash).toHex()}`));
  assertEquals(Deno.readTextFileSync(join(path, "bin/tool")), "tool");
  assertEquals(Deno.statSync(path).ino, ino);
});
