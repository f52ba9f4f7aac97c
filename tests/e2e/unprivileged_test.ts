import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { until } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import {
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  symlink,
  type TreeTable,
} from "../fixtures/tree.ts";
import { fromBackup, fromGit, fromSnapshot, refuses, request } from "./node.ts";
import { checkStoreImages } from "./check_store_images.ts";
import { asUser, canBeUser, giveToUser, IS_ROOT, USER } from "./user.ts";

/** What an owner may keep from itself but for its own right to change that, among the rest. */
const TREE: TreeTable = [
  ["src", directory({ mode: 0o700 })],
  ["src/main.ts", file("export {};\n", { mode: 0o640, mtime: 1_600_000_000_123_456_789n })],
  ["src/again.ts", hardlink("src/main.ts")],
  ["link", symlink("/etc/passwd")],
  ["pipe", fifo({ mode: 0o600 })],
  ["read-only", file("r", { mode: 0o400 })],
  ["closed", directory({ mode: 0o755 })],
  ["closed/inner", directory({ mode: 0o755 })],
  ["closed/inner/file", file("f", { mode: 0o444 })],
];

/** Closes a folder to everybody's changes, as package managers do. */
function close(path: string): void {
  for (const name of ["closed/inner", "closed"]) Deno.chmodSync(join(path, name), 0o555);
}

Deno.test({
  name: `a daemon that is not root does all there is to do for its user's content${
    canBeUser() ? "" : " (ignored: root cannot become another user in a mount namespace here)"
  }`,
  ignore: !canBeUser(),
  fn: async () => {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o755);
    const root = join(folder.path, "root");
    Deno.mkdirSync(root);
    const remote = makeRemote(join(folder.path, "remote"), [
      { branch: "main", subject: "First", files: { a: "a" } },
    ]);
    for (const path of [root, remote]) giveToUser(path);
    await using daemon = await asUser(folder.path, root, { git: { protocols: ["file"] } });
    using client = new WorkspaceClient({ address: daemon.addresses[0]! });
    const workspace = (id: string) => join(root, "workspaces", id);
    const restored = async (id: string) => await readTree(workspace(id));

    await client.initWorkspace(request("w"));
    await makeTree(workspace("w"), TREE);
    close(workspace("w"));
    giveToUser(workspace("w"));
    const first = await readTree(workspace("w"));
    const snapshot = await client.takeSnapshot({ id: "w" });
    await Deno.writeTextFile(join(workspace("w"), "src", "main.ts"), "two");
    const second = await readTree(workspace("w"));
    await client.backupWorkspace("w");
    await client.initWorkspace(fromSnapshot("from-snapshot", snapshot));
    assertEquals(await restored("from-snapshot"), first);
    await client.initWorkspace(fromBackup("from-backup"));
    assertEquals(await restored("from-backup"), second);
    await client.disposeWorkspace({ id: "from-snapshot" });

    const bob = { metadata: { owner: "bob", metaId: "m" } };
    await client.initWorkspace({ ...fromGit("git", fileUrl(remote)), ...bob });
    await Deno.writeTextFile(join(workspace("git"), "new"), "unsaved work");
    giveToUser(workspace("git"));
    const third = await readTree(workspace("git"));
    const status = await client.disposeWorkspace({ id: "git", backup: true });
    assertEquals([status?.branch, status?.untrackedFiles], ["main", ["new"]]);
    await client.initWorkspace({ ...fromBackup("git-again"), ...bob });
    assertEquals(await restored("git-again"), third);
    assertEquals(git(workspace("git-again"), "status", "--porcelain"), "?? new");

    // An archive of other people's files is its own.
    const archives = join(root, "store", "archives", "bucket");
    Deno.mkdirSync(archives, { recursive: true });
    tar(join(archives, "a.tar"), folder.path);
    giveToUser(join(root, "store", "archives"));
    await client.initWorkspace(fromSnapshot("archive", "a.tar@bucket"));
    const { uid, gid } = Deno.statSync(join(workspace("archive"), "theirs"));
    assertEquals({ uid, gid }, USER);

    if (!IS_ROOT) return;
    // What only root could read is neither left out nor a bug.
    const secret = join(workspace("w"), "secret");
    Deno.writeTextFileSync(secret, "root's", { mode: 0o600 });
    const words = `"${secret}" is closed to wsdaemon's user`;
    await refuses("FAILED_PRECONDITION", words, () => client.backupWorkspace("w"));
    await refuses("DATA_LOSS", words, () => client.disposeWorkspace({ id: "w", backup: true }));
    Deno.removeSync(secret);
    const last = await readTree(workspace("w"));
    await client.disposeWorkspace({ id: "w", backup: true });
    await client.initWorkspace(fromBackup("w"));
    assertEquals(await restored("w"), last);
    // What belongs to somebody else stays, and is said with what to do; nothing else has to be done.
    await client.initWorkspace({ ...request("theirs"), metadata: { owner: "bob", metaId: "t" } });
    const theirs = join(workspace("theirs"), "d");
    Deno.mkdirSync(theirs);
    Deno.writeTextFileSync(join(theirs, "f"), "x");
    const disposal = () => client.disposeWorkspace({ id: "theirs" });
    await refuses("FAILED_PRECONDITION", `belongs to uid 0, and wsdaemon runs as uid`, disposal);
    await refuses(
      "FAILED_PRECONDITION",
      `(chown -R ${USER.uid} ${root}/tmp/trash/theirs~`,
      disposal,
    );
    giveToUser(join(root, "tmp", "trash"));
    await until("theirs is deleted", async () => !await client.isWorkspaceExists("theirs"));
    await checkStoreImages(["--root", root]);
    const otherOwner = { contentOwner: { uid: USER.uid + 1, gid: 1 } };
    await assertRejects(
      () => asUser(folder.path, join(folder.path, "other"), otherOwner),
      Error,
      `contentOwner.uid ${USER.uid + 1}`,
    );
  },
});

function tar(path: string, folder: string): void {
  Deno.writeTextFileSync(join(folder, "theirs"), "theirs");
  const args = ["-C", folder, "--owner=1234", "--group=1234", "-cf", path, "theirs"];
  const { success } = new Deno.Command("tar", { args }).outputSync();
  if (!success) throw new Error("cannot make an archive");
}
