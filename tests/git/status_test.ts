import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError } from "../../src/errors.ts";
import { addCommits, addSubmodule, fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { type TestFolder, testFolder } from "../fixtures/folder.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "one\n" } },
  { branch: "main", subject: "second: größer", files: { "a.txt": "two\n", "b.txt": "b\n" } },
];

/** What a clone of {@link COMMITS} looks like, once one was made. */
let original: TestFolder | undefined;
Deno.test.afterAll(() => original?.[Symbol.dispose]());

/** A clone in a new tree, copied from the first one, and a remote with the same commits. */
async function checkout(fixture: GitFixture, location = "") {
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), COMMITS);
  if (!original) {
    original = testFolder();
    const { path } = await cloned(fixture, request(fileUrl(remote), { full: true }));
    copy(path, original.path);
  }
  const { tree, path: top } = await fixture.tree();
  const path = join(top, location);
  Deno.mkdirSync(path, { recursive: true });
  copy(original.path, path);
  if (location !== "") give(fixture, join(top, location.split("/")[0]!));
  return { tree, path, remote };
}

/** With owners and times: Git's index knows them. */
function copy(from: string, to: string): void {
  const { success } = new Deno.Command("cp", { args: ["-a", `${from}/.`, to] }).outputSync();
  assert(success);
}

/** A repository that the test made itself, in a new tree. */
async function fresh(fixture: GitFixture): Promise<{ tree: Tree; path: string }> {
  const made = await fixture.tree();
  git(made.path, "init", "--quiet", "--initial-branch=main", ".");
  return made;
}

function give({ owner }: GitFixture, path: string): void {
  if (!isRoot) return;
  new Deno.Command("chown", { args: ["-R", `${owner.uid}:${owner.gid}`, path] }).outputSync();
}

Deno.test("status tells branch, commit, and what is uncommitted, untracked and unpushed", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture, "src/repo");
  git(path, "checkout", "--quiet", "-b", "topic");
  Deno.writeTextFileSync(join(path, "c.txt"), "c");
  git(path, "add", "c.txt");
  git(path, "commit", "--quiet", "-m", "mine\n\nbody");
  Deno.writeTextFileSync(join(path, "a.txt"), "changed");
  Deno.removeSync(join(path, "b.txt"));
  Deno.writeTextFileSync(join(path, "staged.txt"), "s");
  git(path, "add", "staged.txt");
  Deno.mkdirSync(join(path, "new dir"));
  Deno.writeTextFileSync(join(path, "new dir/ä.txt"), "");
  Deno.writeTextFileSync(join(path, "new dir/line\nbreak"), "");
  Deno.writeTextFileSync(join(path, ".gitignore"), "*.log\n");
  Deno.writeTextFileSync(join(path, "x.log"), "");
  Deno.mkdirSync(join(path, ".git/info"), { recursive: true });
  Deno.writeTextFileSync(join(path, ".git/info/exclude"), "*.tmp\n");
  Deno.writeTextFileSync(join(path, "x.tmp"), "");
  give(fixture, path);
  const hash = git(path, "rev-parse", "--short", "HEAD");
  assertEquals(await fixture.git.status(tree, "src/repo"), {
    branch: "topic",
    latestCommit: git(path, "rev-parse", "HEAD"),
    uncommittedFiles: ["a.txt", "b.txt", "staged.txt"],
    untrackedFiles: [".gitignore", "new dir/line\nbreak", "new dir/ä.txt"],
    unpushedCommits: [`${hash}: mine`],
    totalUncommittedFiles: 3,
    totalUntrackedFiles: 3,
    totalUnpushedCommits: 1,
  });
});

Deno.test("status of a clean clone has nothing to tell but where it is", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  assertEquals(await fixture.git.status(tree, ""), {
    branch: "main",
    latestCommit: git(path, "rev-parse", "HEAD"),
    uncommittedFiles: [],
    untrackedFiles: [],
    unpushedCommits: [],
    totalUncommittedFiles: 0,
    totalUntrackedFiles: 0,
    totalUnpushedCommits: 0,
  });
});

Deno.test("status counts what any remote has as pushed, on every branch and on none", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const fork = makeRemote(join(fixture.remotes, "fork.git"));
  const commit = (subject: string) =>
    git(path, "commit", "--quiet", "--allow-empty", "-m", subject);
  commit("pushed to the fork");
  git(path, "push", "--quiet", fileUrl(fork), "main");
  git(path, "remote", "add", "fork", fileUrl(fork));
  git(path, "fetch", "--quiet", "fork");
  git(path, "checkout", "--quiet", "-b", "other");
  commit("on another branch");
  git(path, "checkout", "--quiet", "--detach", "main");
  commit("on none");
  give(fixture, path);
  const status = await fixture.git.status(tree, "");
  assertEquals(status?.branch, "(detached)");
  assertEquals(
    status?.unpushedCommits.map((entry) => entry.replace(/^\w+: /, "")).toSorted(),
    ["on another branch", "on none"],
  );
});

Deno.test("status is of no repository where there is none", async () => {
  await using fixture = await gitFixture();
  const { tree } = await checkout(fixture, "repo");
  assertEquals(await fixture.git.status(tree, ""), undefined);
  assertEquals(await fixture.git.status(tree, "repo/nowhere"), undefined);
});

Deno.test("status of a repository without commits has no commit", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await fresh(fixture);
  Deno.writeTextFileSync(join(path, "a.txt"), "");
  give(fixture, path);
  const status = await fixture.git.status(tree, "");
  assertEquals(status?.branch, "main");
  assertEquals(status?.latestCommit, "");
  assertEquals(status?.untrackedFiles, ["a.txt"]);
  assertEquals(status?.totalUnpushedCommits, 0);
});

Deno.test("status cuts its lists at a hundred and counts the rest", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  for (let n = 0; n < 150; n++) {
    Deno.writeTextFileSync(join(path, `u${n}`), "");
    Deno.writeTextFileSync(join(path, `t${n}`), "");
  }
  git(path, "add", ...Array.from({ length: 150 }, (_, n) => `t${n}`));
  addCommits(
    path,
    Array.from({ length: 101 }, (_, n) => ({
      branch: "long",
      subject: `${n}`,
      files: {},
      ...(n === 0 ? { from: "main" } : {}),
    })),
  );
  give(fixture, path);
  const status = await fixture.git.status(tree, "");
  assertEquals(status?.totalUntrackedFiles, 150);
  assertEquals(status?.untrackedFiles.length, 101);
  assertEquals(status?.untrackedFiles.at(-1), "... and 50 more");
  assertEquals(status?.totalUncommittedFiles, 150);
  assertEquals(status?.uncommittedFiles.at(-1), "... and 50 more");
  assertEquals(status?.totalUnpushedCommits, 101);
  assertEquals(status?.unpushedCommits.length, 101);
  assertEquals(status?.unpushedCommits.at(-1), "... and 1 more");
});

Deno.test("status counts hundreds of untracked files of many folders", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await fresh(fixture);
  const script = "for d in $(seq 20); do mkdir $d; (cd $d && seq 30 | xargs touch); done";
  new Deno.Command("sh", { args: ["-c", script], cwd: path }).outputSync();
  const status = await fixture.git.status(tree, "");
  assertEquals(status?.totalUntrackedFiles, 600);
  assertEquals(status?.untrackedFiles.length, 101);
});

Deno.test("status notices an edit that keeps size and second of the last checkout", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const { mtime } = Deno.statSync(join(path, "a.txt"));
  Deno.writeTextFileSync(join(path, "a.txt"), "TWO\n");
  Deno.utimeSync(join(path, "a.txt"), mtime!, mtime!);
  assertEquals((await fixture.git.status(tree, ""))?.uncommittedFiles, ["a.txt"]);
});

Deno.test("status of a damaged repository is an error that says what git said", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  for (const { name } of Deno.readDirSync(join(path, ".git/objects"))) {
    if (name !== "pack") Deno.removeSync(join(path, ".git/objects", name), { recursive: true });
  }
  const error = await assertRejects(() => fixture.git.status(tree, ""), DaemonError);
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertStringIncludes(error.message, "git status");
});

Deno.test("status knows a submodule's other commit, and reads nothing within it", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const parent = makeRemote(join(fixture.remotes, "parent.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  addSubmodule(parent, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  const { tree, path } = await cloned(fixture, request(fileUrl(parent), { full: true }));
  const { canary, run } = canaryIn(fixture);
  git(path, "config", "--file", ".git/modules/m/config", "core.fsmonitor", run);
  assertEquals((await fixture.git.status(tree, ""))?.uncommittedFiles, []);
  git(join(path, "m"), "-c", "core.fsmonitor=false", "checkout", "--quiet", "HEAD~1");
  give(fixture, path);
  assertEquals((await fixture.git.status(tree, ""))?.uncommittedFiles, ["m"]);
  assertEquals(exists(canary), false);
});

Deno.test("status of a submodule itself is read where its .git leads", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const parent = makeRemote(join(fixture.remotes, "parent.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  addSubmodule(parent, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  const { tree, path } = await cloned(fixture, request(fileUrl(parent)), "repo");
  Deno.writeTextFileSync(join(path, "m/new.txt"), "");
  const status = await fixture.git.status(tree, "repo/m");
  assertEquals(status?.untrackedFiles, ["new.txt"]);
  assertEquals(status?.latestCommit, commit);
});

/** Variables that a plain `git status` or `git log` would run, or be led astray by. */
const PROGRAMS: readonly (readonly [string, (run: string) => string])[] = [
  ["core.fsmonitor", (run) => run],
  ["core.hooksPath", (run) => dirname(run)],
  ["core.sshCommand", (run) => run],
  ["core.pager", (run) => run],
  ["pager.log", (run) => run],
  ["pager.status", (run) => run],
  ["diff.external", (run) => run],
  ["filter.evil.clean", (run) => run],
  ["filter.evil.process", (run) => run],
  ["filter.evil.required", () => "true"],
  ["diff.evil.textconv", (run) => run],
  ["gpg.program", (run) => run],
  ["log.showSignature", () => "true"],
  ["alias.status", (run) => `!${run}`],
  ["alias.log", (run) => `!${run}`],
  ["core.worktree", () => "/"],
  ["core.excludesFile", () => "/etc/passwd"],
  ["core.bare", () => "true"],
  ["extensions.partialClone", () => "origin"],
  ["remote.origin.promisor", () => "true"],
  ["remote.origin.uploadpack", (run) => run],
  ["status.showUntrackedFiles", () => "no"],
];

Deno.test("status runs no program and goes nowhere that a hostile config names", async (t) => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const { canary, run } = canaryIn(fixture);
  for (const hook of ["fsmonitor-watchman", "post-index-change", "reference-transaction"]) {
    Deno.copyFileSync(run, join(dirname(run), hook));
  }
  Deno.writeTextFileSync(join(path, ".gitattributes"), "* filter=evil diff=evil\n");
  Deno.writeTextFileSync(join(path, "a.txt"), "TWO\n");
  give(fixture, path);
  const config = join(path, ".git/config");
  const harmless = Deno.readTextFileSync(config);
  for (const [name, value] of PROGRAMS) {
    await t.step(name, async () => {
      const extra = join(path, ".git/extra");
      Deno.writeTextFileSync(extra, "");
      git(path, "config", "--file", extra, name, value(run));
      const variable = Deno.readTextFileSync(extra);
      Deno.writeTextFileSync(config, `${harmless}${variable}[include]\n\tpath = extra\n`);
      const status = await fixture.git.status(tree, "");
      assertEquals(exists(canary), false, `${name} ran its program`);
      assertEquals(status?.uncommittedFiles, ["a.txt"]);
      assertEquals(status?.untrackedFiles, [".gitattributes"]);
    });
  }
});

Deno.test("status runs no hook of the repository", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const { canary, run } = canaryIn(fixture);
  Deno.mkdirSync(join(path, ".git/hooks"));
  for (const hook of ["post-index-change", "fsmonitor-watchman", "reference-transaction"]) {
    Deno.copyFileSync(run, join(path, ".git/hooks", hook));
  }
  give(fixture, path);
  await fixture.git.status(tree, "");
  assertEquals(exists(canary), false);
});

Deno.test("status is not read of a repository that leads out of the workspace", async (t) => {
  const cases: [string, (folder: string, outside: string) => void][] = [
    [".git as a link", (folder, outside) => {
      Deno.removeSync(folder, { recursive: true });
      Deno.symlinkSync(outside, folder);
    }],
    [".git as a file", (folder, outside) => {
      Deno.removeSync(folder, { recursive: true });
      Deno.writeTextFileSync(folder, `gitdir: ${outside}\n`);
    }],
    ["commondir", (folder, outside) => Deno.writeTextFileSync(join(folder, "commondir"), outside)],
    ["objects as a link", (folder, outside) => {
      Deno.removeSync(join(folder, "objects"), { recursive: true });
      Deno.symlinkSync(join(outside, "objects"), join(folder, "objects"));
    }],
    ["pack as a link", (folder, outside) => {
      Deno.removeSync(join(folder, "objects/pack"), { recursive: true });
      Deno.symlinkSync(join(outside, "objects/pack"), join(folder, "objects/pack"));
    }],
    ["alternates", (folder, outside) => {
      Deno.writeTextFileSync(join(folder, "objects/info/alternates"), `${outside}/objects\n`);
    }],
  ];
  await using fixture = await gitFixture();
  for (const [name, change] of cases) {
    await t.step(name, async () => {
      const { tree, path, remote } = await checkout(fixture, "repo");
      addCommits(remote, [{ branch: "main", subject: "private", files: { "p.txt": "" } }]);
      Deno.mkdirSync(join(path, ".git/objects/info"), { recursive: true });
      change(join(path, ".git"), remote);
      const error = await assertRejects(() => fixture.git.status(tree, "repo"), DaemonError);
      assertEquals(error.code, "FAILED_PRECONDITION");
    });
  }
});

Deno.test("status follows links of a Git folder that stay within the workspace", async (t) => {
  const scripts: [string, string][] = [
    ["objects", "mv .git/objects ../store; ln -s ../../store .git/objects"],
    [
      "everything, as Android's repo makes it",
      "mkdir -p ../.repo/p; for name in config HEAD info objects packed-refs refs index; do " +
      "test -e .git/$name || continue; mv .git/$name ../.repo/p; " +
      "ln -s ../../.repo/p/$name .git/$name; done",
    ],
    [".git itself", "mkdir ../.repo; mv .git ../.repo/p; ln -s ../.repo/p .git"],
    ["the checkout", "mv ../repo ../elsewhere; ln -s elsewhere ../repo"],
    ["HEAD, as the first git made it", "rm .git/HEAD; ln -s refs/heads/main .git/HEAD"],
  ];
  await using fixture = await gitFixture();
  for (const [name, script] of scripts) {
    await t.step(name, async () => {
      const { tree, path } = await checkout(fixture, "repo");
      const hash = git(path, "rev-parse", "HEAD");
      new Deno.Command("sh", { args: ["-ec", script], cwd: path }).outputSync();
      Deno.writeTextFileSync(join(path, "a.txt"), "changed\n");
      give(fixture, dirname(path));
      const status = await fixture.git.status(tree, "repo");
      assertEquals(status?.latestCommit, hash);
      assertEquals(status?.branch, "main");
      assertEquals(status?.uncommittedFiles, ["a.txt"]);
    });
  }
});

Deno.test("status takes refs that are links for missing, and shows no other repository's", async () => {
  await using fixture = await gitFixture();
  const { tree, path, remote } = await checkout(fixture);
  addCommits(remote, [{ branch: "main", subject: "private", files: { "p.txt": "" } }]);
  Deno.removeSync(join(path, ".git/refs/heads"), { recursive: true });
  Deno.symlinkSync(join(remote, "refs/heads"), join(path, ".git/refs/heads"));
  const status = await fixture.git.status(tree, "");
  assertEquals(status?.latestCommit, "");
});

Deno.test("status leaves nothing in the repository and nothing behind", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const before = Deno.statSync(join(path, ".git/index")).mtime;
  await fixture.git.status(tree, "");
  assertEquals(Deno.statSync(join(path, ".git/index")).mtime, before);
  assertEquals([...Deno.readDirSync(join(fixture.root, "tmp/git"))], []);
  assertEquals([...Deno.readDirSync(fixture.spool)], []);
});

Deno.test("status copies no more of a Git folder than one can need", async (t) => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const grow = (name: string, mebibytes: number) => {
    using file = Deno.openSync(join(path, ".git", name), { write: true, create: true });
    file.truncateSync(mebibytes * 1024 * 1024);
  };
  await t.step("refs are short", async () => {
    grow("refs/heads/long", 1025);
    give(fixture, path);
    assertEquals((await fixture.git.status(tree, ""))?.branch, "main");
  });
  for (const [name, mebibytes] of [["shallow", 5], ["sharedindex.0a", 300]] as const) {
    await t.step(name, async () => {
      grow(name, mebibytes);
      give(fixture, path);
      await assertRejects(() => fixture.git.status(tree, ""), DaemonError, "is too large");
      Deno.removeSync(join(path, ".git", name));
    });
  }
  await t.step("many files in all", async () => {
    grow("sharedindex.01", 180);
    grow("sharedindex.02", 80);
    give(fixture, path);
    await assertRejects(() => fixture.git.status(tree, ""), DaemonError, "is too large");
  });
  assertEquals([...Deno.readDirSync(fixture.spool)], []);
  assertEquals([...Deno.readDirSync(join(fixture.root, "tmp/git"))], []);
});

Deno.test("status ends in the midst of many refs when its caller gives up", async () => {
  await using fixture = await gitFixture();
  const { tree, path } = await checkout(fixture);
  const hash = git(path, "rev-parse", "HEAD");
  for (let n = 0; n < 500; n++) {
    Deno.writeTextFileSync(join(path, `.git/refs/heads/b${n}`), `${hash}\n`);
  }
  give(fixture, path);
  const controller = new AbortController();
  let copies = 0;
  const content = new Proxy(fixture.content, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        if (name === "copyOut" && ++copies === 20) {
          controller.abort(new DaemonError("ABORTED", "enough"));
        }
        return member.apply(target, args);
      };
    },
  });
  const other = await fixture.other({ content });
  const reading = other.status(tree, "", { signal: controller.signal });
  await assertRejects(() => reading, DaemonError, "enough");
  assertEquals(copies, 20);
});

Deno.test("status ends when its caller gives up", async () => {
  await using fixture = await gitFixture();
  const { tree } = await checkout(fixture);
  const signal = AbortSignal.abort(new DaemonError("ABORTED", "enough"));
  await assertRejects(() => fixture.git.status(tree, "", { signal }), DaemonError, "enough");
});

function canaryIn(fixture: GitFixture): { canary: string; run: string } {
  const folder = join(fixture.root, "canaries");
  Deno.mkdirSync(folder);
  Deno.chmodSync(folder, 0o777);
  const canary = join(folder, "ran");
  const run = join(folder, "program");
  Deno.writeTextFileSync(run, `#!/bin/sh\necho ran >> ${canary}\nexit 1\n`);
  Deno.chmodSync(run, 0o755);
  return { canary, run };
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
