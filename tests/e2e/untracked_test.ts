import { assertEquals } from "@std/assert";
import { PYTHON } from "../fixtures/python.ts";
import { testFolder } from "../fixtures/folder.ts";
import { git } from "../fixtures/git_repos.ts";
import { runs } from "../fixtures/soak.ts";
import { request, TestNode } from "./node.ts";

const PER_FOLDER = 1000;

/** Makes folders with a thousand empty files each. */
function scatter(path: string, folders: number): void {
  const script = `
import os, sys
for d in range(int(sys.argv[2])):
    folder = "%s/d%03d" % (sys.argv[1], d)
    os.mkdir(folder)
    for f in range(${PER_FOLDER}):
        os.close(os.open("%s/f%03d" % (folder, f), os.O_CREAT | os.O_WRONLY))
`;
  const args = ["-IS", "-c", script, path, String(folders)];
  const { success } = new Deno.Command(PYTHON, { args }).outputSync();
  if (!success) throw new Error("cannot make the files");
}

Deno.test("a disposal tells the first of untold untracked files, counts them all, and removes them", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  const { client } = node;
  await client.initWorkspace(request("w"));
  const path = node.workspace("w");
  git(path, "init", "--quiet", "--initial-branch=main", ".");
  git(path, "commit", "--quiet", "--allow-empty", "-m", "First");
  const folders = runs(10, 200);
  scatter(path, folders);
  const status = await client.disposeWorkspace({ id: "w" });
  const total = folders * PER_FOLDER;
  assertEquals(status?.totalUntrackedFiles, BigInt(total));
  assertEquals(status?.untrackedFiles, [
    ...Array.from({ length: 100 }, (_, n) => `d000/f${String(n).padStart(3, "0")}`),
    `... and ${total - 100} more`,
  ]);
  assertEquals([status?.branch, status?.totalUncommitedFiles], ["main", 0n]);
  assertEquals([...Deno.readDirSync(`${node.root}/workspaces`)], []);
  assertEquals([...Deno.readDirSync(`${node.root}/tmp/trash`)], []);
});
