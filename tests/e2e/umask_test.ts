/** The modes of what initializers make under the strict file mode creation mask of our unit. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { digestOf } from "../../src/digest.ts";
import { testFolder } from "../fixtures/folder.ts";
import { addSubmodule, fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { run } from "../fixtures/tools.ts";
import { fromGit, fromSnapshot, request, TestNode } from "./node.ts";

/** Has every program that it becomes the mask of `scripts/wsdaemon.service`. */
const CLOSED = ["sh", "-c", 'umask 077; exec "$@"', "sh"] as const;

const COMMITS = [{ branch: "main", subject: "first", files: { "sub/a.txt": "a" } }];

/** Returns the paths below `path` that others cannot read, or folders that they cannot enter. */
async function closedPaths(path: string): Promise<string[]> {
  const closed = ["-type", "d", "!", "-perm", "-0755", "-o", "-type", "f", "!", "-perm", "-0444"];
  const found = new TextDecoder().decode(await run(path, "find", ".", ...closed));
  return found.split("\n").filter((line) => line !== "");
}

Deno.test("content is open to its other users whatever the daemon's umask, and our own files are not", async () => {
  using folder = testFolder();
  Deno.chmodSync(folder.path, 0o711);
  const child = makeRemote(join(folder.path, "child.git"), COMMITS);
  const remote = makeRemote(join(folder.path, "r.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  addSubmodule(remote, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  await using node = await TestNode.start(folder.path, "node", {
    command: [...CLOSED, ...FROM_SOURCE],
    config: { git: { protocols: ["file"] }, net: { allowLoopback: true } },
  });
  const { client } = node;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("x"),
  );
  const files = [{
    url: `http://127.0.0.1:${server.addr.port}/x`,
    filePath: "new/folders/x",
    digest: digestOf("x"),
  }];
  const archive = join(node.root, "store/archives/bucket/a.tar");
  await Deno.mkdir(dirname(archive), { recursive: true });
  await Deno.mkdir(join(folder.path, "in/implied/folders"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, "in/implied/folders/f"), "f");
  await run(join(folder.path, "in"), "tar", "-cf", archive, "implied/folders/f");

  await client.initWorkspace(request("empty"));
  await client.initWorkspace(fromGit("git", fileUrl(remote), { checkoutLocation: "src/repo" }));
  await client.initWorkspace(request("download", {
    initializer: { spec: { case: "download", value: { files, targetLocation: "target" } } },
  }));
  await client.initWorkspace(fromSnapshot("archive", "a.tar@bucket"));
  for (
    const [id, path] of [
      ["empty", ""],
      ["git", "src/repo/m/sub/a.txt"],
      ["download", "target/new/folders/x"],
      ["archive", "implied/folders/f"],
    ] as const
  ) {
    await Deno.lstat(join(node.workspace(id), path));
    assertEquals(await closedPaths(node.workspace(id)), [], id);
  }

  await client.backupWorkspace("git");
  for (const name of ["state", "store", "tmp/spool", "tmp/trash"]) {
    assertEquals((await Deno.stat(join(node.root, name))).mode! & 0o777, 0o700, name);
  }
});
