/** Clones on a node that lacks what they need. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { has, run } from "../fixtures/tools.ts";
import { fromGit, refuses, TestNode } from "./node.ts";

const MIB = 1 << 20;

/** Makes a remote with a file that is `bytes` long, of noise or of ones. */
function remoteWith(path: string, bytes: number, isNoise: boolean): string {
  makeRemote(path);
  const file = `${path}.file`;
  const content = new Uint8Array(bytes).fill(1);
  if (isNoise) {
    for (let at = 0; at < bytes; at += 65536) {
      crypto.getRandomValues(content.subarray(at, at + 65536));
    }
  }
  Deno.writeFileSync(file, content);
  const blob = git(path, "hash-object", "-w", file);
  Deno.removeSync(file);
  git(path, "update-index", "--add", "--cacheinfo", `100644,${blob},file`);
  const commit = git(path, "commit-tree", "-m", "first", git(path, "write-tree"));
  git(path, "update-ref", "refs/heads/main", commit);
  return path;
}

/** Starts a node on a small file system of its own, with a remote beside it. */
async function smallNode(folder: string, bytes: number, inodes?: number) {
  Deno.chmodSync(folder, 0o711);
  const stack = new AsyncDisposableStack();
  const root = join(folder, "node");
  Deno.mkdirSync(root);
  stack.use(smallFileSystem(root, bytes, inodes));
  const node = stack.use(
    await TestNode.start(folder, "node", {
      config: { git: { protocols: ["file"] }, storage: { kind: "none" } },
    }),
  );
  return { client: node.client, node, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

for (const [name, isNoise] of [["pack", true], ["file", false]] as const) {
  Deno.test({
    name: `a clone whose ${name} does not fit on the disk is RESOURCE_EXHAUSTED${
      canMount() ? "" : " (ignored: needs root and leave to mount)"
    }`,
    ignore: !canMount(),
    async fn() {
      using folder = testFolder();
      await using small = await smallNode(folder.path, 16 * MIB);
      const large = remoteWith(join(folder.path, "large"), 24 * MIB, isNoise);
      const words = `${join(folder.path, "node/tmp")}: no space left`;
      await refuses(
        "RESOURCE_EXHAUSTED",
        words,
        () => small.client.initWorkspace(fromGit("w", fileUrl(large))),
      );
      const fits = remoteWith(join(folder.path, "fits"), MIB, isNoise);
      await small.client.initWorkspace(fromGit("w", fileUrl(fits)));
    },
  });
}

Deno.test({
  name: `a clone without an inode left is RESOURCE_EXHAUSTED${
    canMount() ? "" : " (ignored: needs root and leave to mount)"
  }`,
  ignore: !canMount(),
  async fn() {
    using folder = testFolder();
    await using small = await smallNode(folder.path, 64 * MIB, 300);
    const files = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`f${n}`, ""]));
    const remote = makeRemote(join(folder.path, "r"), [
      { branch: "main", subject: "first", files },
    ]);
    await refuses(
      "RESOURCE_EXHAUSTED",
      "no space left",
      () => small.client.initWorkspace(fromGit("w", fileUrl(remote))),
    );
  },
});

Deno.test({
  name: `a clone without a descriptor left is RESOURCE_EXHAUSTED, and the daemon serves on${
    has("prlimit") ? "" : " (ignored: needs prlimit)"
  }`,
  ignore: !has("prlimit"),
  async fn() {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o711);
    await using node = await TestNode.start(folder.path, "node", {
      config: { git: { protocols: ["file"] } },
    });
    const remote = fileUrl(makeRemote(join(folder.path, "r"), [
      { branch: "main", subject: "first", files: { a: "a" } },
    ]));
    const { pid } = node.daemon;
    const limit = (soft: number) => run("/", "prlimit", "--pid", String(pid), `--nofile=${soft}:`);
    await node.client.initWorkspace(fromGit("first", remote));
    const open = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name));
    const lowest = Array.from({ length: 65536 }, (_, n) => n).find((n) => !open.includes(n))!;
    for (const spare of [0, 1, 2, 3, 4, 5]) {
      await limit(lowest + spare);
      await refuses(
        "RESOURCE_EXHAUSTED",
        "",
        () => node.client.initWorkspace(fromGit("w", remote)),
      );
    }
    await limit(4096);
    await node.client.initWorkspace(fromGit("w", remote));
    assertEquals(Deno.readTextFileSync(join(node.workspace("w"), "a")), "a");
  },
});

Deno.test("a clone on a root that was moved is refused in words, and makes nothing where it was", async () => {
  using folder = testFolder();
  Deno.chmodSync(folder.path, 0o711);
  await using node = await TestNode.start(folder.path, "node", {
    config: { git: { protocols: ["file"] } },
  });
  const remote = fileUrl(makeRemote(join(folder.path, "r"), [
    { branch: "main", subject: "first", files: { a: "a" } },
  ]));
  const moved = join(folder.path, "moved");
  Deno.renameSync(node.root, moved);
  try {
    const words = `${join(node.root, "state", "state.db")}: it was moved or removed`;
    await refuses(
      "FAILED_PRECONDITION",
      words,
      () => node.client.initWorkspace(fromGit("w", remote)),
    );
    assertEquals([...Deno.readDirSync(folder.path)].some(({ name }) => name === "node"), false);
  } finally {
    Deno.renameSync(moved, node.root);
  }
  await node.client.initWorkspace(fromGit("w", remote));
});
