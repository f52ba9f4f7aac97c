import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { addCommits, fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { cloned, gitFixture, isRoot, request } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "one\n" } },
  { branch: "main", subject: "second", files: { "a.txt": "two\n" } },
  { branch: "feature/x", subject: "third", files: { "b.txt": "three\n" }, from: "main" },
];

Deno.test("clone checks out the remote's HEAD when the mode is REMOTE_HEAD", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { path } = await cloned(fixture, request(fileUrl(remote)));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "two\n");
  assertEquals(git(path, "branch", "--show-current"), "main");
  assertEquals(git(path, "rev-parse", "--abbrev-ref", "main@{upstream}"), "origin/main");
  assertEquals(git(path, "rev-parse", "--abbrev-ref", "origin/HEAD"), "origin/main");
  assertEquals(git(path, "remote", "get-url", "origin"), fileUrl(remote));
  assertEquals(git(path, "status", "--porcelain"), "");
});

Deno.test("clone is shallow unless the whole history is asked for", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const shallow = await cloned(fixture, request(fileUrl(remote)));
  assertEquals(git(shallow.path, "rev-list", "--count", "--all"), "1");
  const full = await cloned(fixture, request(fileUrl(remote), { full: true }));
  assertEquals(git(full.path, "rev-list", "--count", "--all"), "3");
  assertEquals(git(full.path, "rev-parse", "--is-shallow-repository"), "false");
});

Deno.test("a shallow clone fetches any branch later, and finds it by its name", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { path } = await cloned(fixture, request(fileUrl(remote)));
  assertEquals(git(path, "config", "checkout.defaultRemote"), "origin");
  git(path, "fetch", "--quiet", "origin");
  git(path, "checkout", "--quiet", "feature/x");
  assertEquals(Deno.readTextFileSync(join(path, "b.txt")), "three\n");
});

Deno.test("clone checks out a commit that the shallow clone lacks when the mode is REMOTE_COMMIT", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const first = git(remote, "rev-parse", "main~1");
  for (const target of [first, first.slice(0, 10)]) {
    const { path } = await cloned(
      fixture,
      request(fileUrl(remote), { mode: "REMOTE_COMMIT", target }),
    );
    assertEquals(git(path, "rev-parse", "HEAD"), first);
    assertEquals(git(path, "branch", "--show-current"), "");
    assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  }
  const head = git(remote, "rev-parse", "feature/x");
  const full = await cloned(
    fixture,
    request(fileUrl(remote), { mode: "REMOTE_COMMIT", target: head, full: true }),
  );
  assertEquals(git(full.path, "rev-parse", "HEAD"), head);
});

Deno.test("clone says so when the remote has no such commit", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const target = "1234567890".repeat(4);
  const error = await assertRejects(
    () => cloned(fixture, request(fileUrl(remote), { mode: "REMOTE_COMMIT", target })),
    DaemonError,
    target,
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});

Deno.test("clone checks out a branch that follows the remote's when the mode is REMOTE_BRANCH", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  for (const full of [false, true]) {
    const { path } = await cloned(
      fixture,
      request(fileUrl(remote), { mode: "REMOTE_BRANCH", target: "feature/x", full }),
    );
    assertEquals(git(path, "branch", "--show-current"), "feature/x");
    assertEquals(
      git(path, "rev-parse", "--abbrev-ref", "feature/x@{upstream}"),
      "origin/feature/x",
    );
    assertEquals(Deno.readTextFileSync(join(path, "b.txt")), "three\n");
  }
});

Deno.test("clone falls back to the default branch's content when the remote lacks the branch", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { path } = await cloned(
    fixture,
    request(fileUrl(remote), { mode: "REMOTE_BRANCH", target: "nowhere" }),
  );
  assertEquals(git(path, "branch", "--show-current"), "nowhere");
  assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
});

Deno.test("clone makes a branch of its own when the mode is LOCAL_BRANCH", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { path } = await cloned(
    fixture,
    request(fileUrl(remote), { mode: "LOCAL_BRANCH", target: "mine" }),
  );
  assertEquals(git(path, "branch", "--show-current"), "mine");
  assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
  assertEquals(git(path, "for-each-ref", "--format=%(upstream)", "refs/heads/mine"), "");
});

Deno.test("clone takes an empty remote for what it is", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "empty.git"));
  for (const full of [false, true]) {
    const { path } = await cloned(fixture, request(fileUrl(remote), { full }));
    assertEquals(git(path, "remote", "get-url", "origin"), fileUrl(remote));
    const local = await cloned(
      fixture,
      request(fileUrl(remote), { full, mode: "LOCAL_BRANCH", target: "mine" }),
    );
    assertEquals(git(local.path, "symbolic-ref", "HEAD"), "refs/heads/mine");
  }
});

Deno.test("clone takes an empty upstream for what it is, and says which remote is empty", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const empty = fileUrl(makeRemote(join(fixture.remotes, "empty.git")));
  const { path } = await cloned(fixture, request(fileUrl(remote), { upstream: empty }));
  assertEquals(git(path, "remote", "get-url", "upstream"), empty);
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "two\n");
  const target = "1234567890".repeat(4);
  await assertRejects(
    () => cloned(fixture, request(empty, { mode: "REMOTE_COMMIT", target })),
    DaemonError,
    `the remote is empty; it has no commit ${target}`,
  );
  const missing = fileUrl(join(fixture.remotes, "missing.git"));
  await assertRejects(
    () => cloned(fixture, request(fileUrl(remote), { upstream: missing })),
    DaemonError,
    "does not appear to be a git repository",
  );
});

Deno.test("clone takes a commit for a commit, whatever branches and tags are called", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const first = git(remote, "rev-parse", "main~1");
  const target = first.slice(0, 8);
  git(remote, "tag", target, "main");
  for (const full of [false, true]) {
    const { path } = await cloned(
      fixture,
      request(fileUrl(remote), { mode: "REMOTE_COMMIT", target, full }),
    );
    assertEquals(git(path, "rev-parse", "HEAD"), first);
  }
});

Deno.test("clone takes a repository of SHA-256", async () => {
  await using fixture = await gitFixture();
  const remote = join(fixture.remotes, "a.git");
  Deno.mkdirSync(remote);
  git(remote, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main");
  addCommits(remote, COMMITS);
  const { path } = await cloned(fixture, request(fileUrl(remote)));
  assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
  assertEquals(git(path, "rev-parse", "HEAD").length, 64);
  assertEquals(git(path, "status", "--porcelain"), "");
});

Deno.test("clone detaches when the remote's HEAD is no branch", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const first = git(remote, "rev-parse", "main~1");
  git(remote, "update-ref", "--no-deref", "HEAD", first);
  for (const full of [false, true]) {
    const { path } = await cloned(fixture, request(fileUrl(remote), { full }));
    assertEquals(git(path, "rev-parse", "HEAD"), first);
    assertEquals(git(path, "branch", "--show-current"), "");
  }
});

Deno.test("clone adds and fetches the upstream remote when there is one", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const upstream = makeRemote(join(fixture.remotes, "up.git"), COMMITS);
  addCommits(upstream, [{ branch: "main", subject: "newer", files: { "c.txt": "c" } }]);
  const { path } = await cloned(fixture, request(fileUrl(remote), { upstream: fileUrl(upstream) }));
  assertEquals(git(path, "remote", "get-url", "upstream"), fileUrl(upstream));
  assertEquals(git(path, "rev-parse", "upstream/main"), git(upstream, "rev-parse", "main"));
  assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
});

Deno.test("clone applies custom config, what runs programs only after its own work", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), [
    {
      branch: "main",
      subject: "s",
      files: { "a.txt": "a\n", ".gitattributes": "* filter=evil\n" },
    },
  ]);
  const canary = join(fixture.root, "ran");
  const run = `touch ${canary}`;
  const config: [string, string][] = [
    ["user.name", 'Some "One" \\ else'],
    ["core.autocrlf", "true"],
    ["filter.evil.smudge", run],
    ["filter.evil.process", run],
    ["core.fsmonitor", run],
    ["core.sshCommand", run],
    ["core.hooksPath", "/some/where"],
    ["core.gitProxy", run],
    ["credential.helper", `!${run}`],
    ["submodule.x.update", `!${run}`],
    ["include.path", "/some/file"],
    ["core.alternateRefsCommand", run],
    ["uploadpack.packObjectsHook", run],
    ["remote.origin.uploadpack", run],
    ["http.https://example.com/.proxy", "http://proxy"],
    ["alias.fetch", `!${run}`],
    ["url.ext::sh -c touch%20x.insteadOf", "file://"],
  ];
  const { path } = await cloned(fixture, request(fileUrl(remote), { config }));
  assert(!fileExists(canary), "a program of the custom config ran");
  for (const [name, value] of config) {
    assertEquals(git(path, "config", "--no-includes", "--get", name), value, name);
  }
  // In force at the checkout itself.
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "a\r\n");
});

Deno.test("clone fills a folder of the workspace, beside another checkout", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { tree, path } = await cloned(fixture, request(fileUrl(remote)), "src/a");
  const signal = new AbortController().signal;
  const place = { tree, location: "src/b", owner: fixture.owner, signal };
  await fixture.git.clone(request(fileUrl(remote)), place);
  assertEquals(Deno.readTextFileSync(join(path, "../b/a.txt")), "two\n");
  const error = await assertRejects(
    () => fixture.git.clone(request(fileUrl(remote)), place),
    DaemonError,
    "already",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});

Deno.test({
  name: "clone leaves everything to the content's owner when the daemon is root",
  ignore: !isRoot,
  async fn() {
    await using fixture = await gitFixture();
    const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
    const { path } = await cloned(fixture, request(fileUrl(remote)), "src/a");
    const { stdout } = new Deno.Command("find", {
      args: [join(path, "../.."), "!", "-uid", "33333"],
    }).outputSync();
    assertEquals(new TextDecoder().decode(stdout), "");
  },
});

Deno.test("clone says what is wrong with git when there is none to use", async () => {
  await using fixture = await gitFixture();
  const git = await fixture.other({ found: { problem: "git is version 1.8; install Git 2.30" } });
  const { tree } = await fixture.tree();
  const place = { tree, location: "", owner: fixture.owner, signal: new AbortController().signal };
  const error = await assertRejects(
    () => git.clone(request("https://example.com/x"), place),
    DaemonError,
    "install Git 2.30",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});

Deno.test("clone of ten thousand files and two thousand commits comes whole", async () => {
  await using fixture = await gitFixture();
  const commits = Array.from({ length: 2000 }, (_, n) => ({
    branch: "main",
    subject: `commit ${n}`,
    files: Object.fromEntries(
      Array.from({ length: 5 }, (_, f) => [`d${n % 100}/f${n}-${f}.txt`, `${n} ${f}\n`]),
    ),
  }));
  const remote = makeRemote(join(fixture.remotes, "big.git"), commits);
  const { path } = await cloned(fixture, request(fileUrl(remote), { full: true }));
  assertEquals(git(path, "rev-list", "--count", "HEAD"), "2000");
  assertEquals(git(path, "ls-files").split("\n").length, 10_000);
  assertStringIncludes(git(path, "status", "--porcelain", "--branch"), "## main");
});

function fileExists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
