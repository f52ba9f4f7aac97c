/** What a repository holds after a prebuild that was taken at any moment, and what of it stays. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import {
  addCommits,
  addSubmodule,
  fileUrl,
  git,
  makeRemote,
  serveGit,
} from "../fixtures/git_repos.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "./fixture.ts";

const FIRST = [{
  branch: "main",
  subject: "first",
  files: { "a.txt": "one\n", "d/in.txt": "in\n", "e/out.txt": "out\n" },
}];

const SECOND = { "a.txt": "two\n", "e/out.txt": "changed\n" };

interface Place {
  tree: Tree;
  path: string;
  remote: string;
}

async function checkout(fixture: GitFixture): Promise<Place> {
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), FIRST);
  return { ...await cloned(fixture, request(fileUrl(remote), { full: true })), remote };
}

/** Moves the remote on, gives the checkout to the content's owner, and updates it. */
async function update(fixture: GitFixture, { tree, path, remote }: Place): Promise<void> {
  addCommits(remote, [{ branch: "main", subject: "second", files: SECOND }]);
  give(fixture, path);
  const signal = new AbortController().signal;
  await fixture.git.update(request(fileUrl(remote), { full: true }), {
    tree,
    location: "",
    signal,
  });
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "two\n");
}

function give({ owner }: GitFixture, path: string): void {
  if (!isRoot) return;
  new Deno.Command("chown", { args: ["-R", `${owner.uid}:${owner.gid}`, path] }).outputSync();
}

Deno.test("update takes branches for branches, whatever files of Git they are named like", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture);
  const names = ["config", "x/config", "info/alternates", "commondir", "y/config.worktree"];
  addCommits(
    place.remote,
    names.map((branch) => ({ branch, subject: branch, files: {}, from: "main" })),
  );
  git(place.path, "fetch", "--quiet", "origin");
  const refs = git(place.path, "for-each-ref", "refs/remotes/origin/x", "refs/remotes/origin/info");
  await update(fixture, place);
  assertEquals(
    git(place.path, "for-each-ref", "refs/remotes/origin/x", "refs/remotes/origin/info"),
    refs,
  );
});

Deno.test("update works beside a linked worktree, wherever it says that it belongs", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture);
  git(place.path, "checkout", "--quiet", "-b", "other");
  git(place.path, "worktree", "add", "--quiet", join(place.path, "linked"), "main");
  const commonDir = join(place.path, ".git/worktrees/linked/commondir");
  Deno.writeTextFileSync(commonDir, `${place.remote}\n`);
  await update(fixture, place);
  assertEquals(Deno.readTextFileSync(commonDir), `${place.remote}\n`);
});

Deno.test("update is not held up by the locks of a git that was at work", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture);
  const folder = join(place.path, ".git");
  for (const name of ["index", "HEAD", "config", "packed-refs", "refs/remotes/origin/main"]) {
    Deno.writeTextFileSync(join(folder, `${name}.lock`), "");
  }
  Deno.writeTextFileSync(join(place.path, "yarn.lock"), "mine");
  await update(fixture, place);
  assertEquals(git(place.path, "status", "--porcelain"), "?? yarn.lock");
  git(place.path, "commit", "--quiet", "--allow-empty", "-m", "no lock is left");
});

Deno.test("update drops the changes of a merge that was not finished", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture);
  for (const branch of ["ours", "theirs"]) {
    git(place.path, "checkout", "--quiet", "-b", branch, "origin/main");
    Deno.writeTextFileSync(join(place.path, "a.txt"), branch);
    git(place.path, "commit", "--quiet", "--all", "-m", branch);
  }
  try {
    git(place.path, "merge", "ours");
  } catch {
    // The conflict that is wanted.
  }
  assertEquals(git(place.path, "status", "--porcelain"), "UU a.txt");
  await update(fixture, place);
  assertEquals(git(place.path, "status", "--porcelain"), "");
});

Deno.test("update keeps a sparse checkout sparse", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture);
  git(place.path, "sparse-checkout", "set", "--cone", "d");
  const settings = join(place.path, ".git/config.worktree");
  const before = Deno.readTextFileSync(settings);
  await update(fixture, place);
  assertEquals([...Deno.readDirSync(place.path)].map(({ name }) => name).toSorted(), [
    ".git",
    "a.txt",
    "d",
  ]);
  assertEquals(Deno.readTextFileSync(settings), before);
});

Deno.test("update connects where the request says, not where a restored config does", async () => {
  await using fixture = await gitFixture();
  const good = join(fixture.remotes, "good");
  const evil = join(fixture.remotes, "evil");
  for (const folder of [good, evil]) {
    for (const name of ["r", "m"]) makeRemote(join(folder, `${name}.git`), FIRST);
  }
  const link = () => {
    const commit = git(join(good, "m.git"), "rev-parse", "main");
    const module = { branch: "main", name: "m", at: "m", url: "../m.git", commit };
    addSubmodule(join(good, "r.git"), module);
  };
  link();
  await using goodServer = serveGit(good);
  await using evilServer = serveGit(evil);
  const what = request(`${goodServer.url}/r.git`, { full: true });
  const { tree, path } = await cloned(fixture, what);
  for (const name of ["r", "m"]) {
    const next = [{ branch: "main", subject: "second", files: { "a.txt": "two\n" } }];
    addCommits(join(good, `${name}.git`), next);
  }
  link();
  const settings: [string, string][] = [
    [`url.${evilServer.url}/.insteadOf`, `${goodServer.url}/`],
    ["http.extraHeader", "X-Evil: yes"],
    ["http.sslVerify", "false"],
    ["submodule.m.url", `${evilServer.url}/m.git`],
    ["branch.main.remote", `${evilServer.url}/r.git`],
  ];
  for (const [name, value] of settings) git(path, "config", name, value);
  const module = join(path, ".git/modules/m/config");
  git(path, "config", "--file", module, "remote.origin.url", `${evilServer.url}/m.git`);
  give(fixture, path);
  const signal = new AbortController().signal;
  await fixture.git.update(what, { tree, location: "", signal });
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "two\n");
  assertEquals(Deno.readTextFileSync(join(path, "m/a.txt")), "two\n");
  assertEquals(evilServer.requests, []);
  assert(goodServer.requests.every(({ headers }) => !headers.has("x-evil")));
  // What is the user's own comes back; the checkout's branch follows the remote.
  settings[4] = ["branch.main.remote", "origin"];
  for (const [name, value] of settings) {
    assertEquals(git(path, "config", "--get-all", name), value, name);
  }
  assertEquals(
    git(path, "config", "--file", module, "--get-all", "remote.origin.url"),
    `${evilServer.url}/m.git`,
  );
});
