/** What a clone target can be, and what comes of it. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import type { CheckoutRequest } from "../../src/git/checkout_request.ts";
import { addSubmodule, fileUrl, git, makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { cloned, type GitFixture, gitFixture, request } from "./fixture.ts";

const COMMITS = [
  ...Array.from({ length: 30 }, (_, n) => ({
    branch: "main",
    subject: `commit ${n + 1}`,
    files: { "a.txt": `${n + 1}\n` },
  })),
  { branch: "feature/x", subject: "feature", files: { "b.txt": "b\n" }, from: "main" },
];

/** Makes a remote with tags, among them of what no branch has, and a pull request. */
function taggedRemote(fixture: GitFixture, name = "a.git"): string {
  const remote = makeRemote(join(fixture.remotes, name), COMMITS);
  git(remote, "tag", "light", "main~5");
  git(remote, "tag", "-a", "-m", "release", "v1.0", "main~10");
  git(remote, "tag", "-a", "-m", "release", "v2.0", "main");
  git(remote, "tag", "of-a-tree", "main^{tree}");
  git(remote, "tag", "feature/x", "main~1");
  const orphan = git(remote, "commit-tree", "-m", "elsewhere", "main~2^{tree}");
  git(remote, "tag", "elsewhere", orphan);
  git(remote, "update-ref", "refs/pull/1/head", git(remote, "rev-parse", "main~3"));
  return remote;
}

type Changed = Partial<Pick<CheckoutRequest, "mode" | "target" | "full">>;

Deno.test("clone reaches tags and full refs that are given as the branch", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  for (
    const [target, revision, tag] of [
      ["light", "main~5", "light"],
      ["v1.0", "main~10", "v1.0"],
      ["tags/v1.0", "main~10", "v1.0"],
      ["refs/tags/elsewhere", "elsewhere", "elsewhere"],
      ["refs/pull/1/head", "main~3", undefined],
    ] as const
  ) {
    for (const full of target.startsWith("refs/") ? [false, true] : [false]) {
      const what = request(fileUrl(remote), { mode: "REMOTE_BRANCH", target, full });
      const { path, warnings } = await cloned(fixture, what);
      assertEquals(
        git(path, "rev-parse", "HEAD"),
        git(remote, "rev-parse", `${revision}^{commit}`),
      );
      assertEquals(git(path, "branch", "--show-current"), "", target);
      if (tag) assertEquals(git(path, "tag", "--list", tag), tag);
      assertEquals(git(path, "for-each-ref", "refs/wsdaemon"), "");
      assertEquals(git(path, "rev-parse", "--is-shallow-repository"), String(!full));
      assertEquals(warnings, []);
    }
  }
});

Deno.test("clone takes a branch by its full name, and before a tag of the same name", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  for (const target of ["feature/x", "refs/heads/feature/x", "heads/feature/x"]) {
    const { path } = await cloned(
      fixture,
      request(fileUrl(remote), { mode: "REMOTE_BRANCH", target }),
    );
    assertEquals(git(path, "branch", "--show-current"), "feature/x");
    assertEquals(Deno.readTextFileSync(join(path, "b.txt")), "b\n");
    assertEquals(
      git(path, "for-each-ref", "--format=%(upstream)", "refs/heads/feature/x"),
      "refs/remotes/origin/feature/x",
    );
  }
});

Deno.test("clone refuses a ref that is missing or no commit, and never takes another for it", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  for (
    const [target, words] of [
      ["refs/tags/nowhere", "the remote has no ref refs/tags/nowhere"],
      ["refs/heads/nowhere", "the remote has no ref refs/heads/nowhere"],
      ["refs/pull/2/head", "the remote has no ref refs/pull/2/head"],
      ["of-a-tree", "refs/tags/of-a-tree of the remote does not lead to a commit"],
    ] as const
  ) {
    const what = request(fileUrl(remote), { mode: "REMOTE_BRANCH", target });
    const error = await assertRejects(() => cloned(fixture, what), DaemonError, words);
    assertEquals(error.code, "FAILED_PRECONDITION");
  }
});

Deno.test("clone warns its caller of a branch that is missing, without secrets", async () => {
  await using fixture = await gitFixture();
  taggedRemote(fixture);
  await using server = serveGit(fixture.remotes);
  const url = `${server.url}/a.git`;
  const withLogin = url.replace("//", "//jane:s3cret-word@");
  const what = request(withLogin, { mode: "REMOTE_BRANCH", target: "nowhere" });
  const { path, warnings } = await cloned(fixture, what);
  assertEquals(git(path, "branch", "--show-current"), "nowhere");
  assertEquals(warnings, [
    `${url} has no branch or tag nowhere: the new branch of that name starts as the remote's HEAD`,
  ]);
  const headed = await cloned(fixture, request(url, { target: "v1.0" }));
  assertEquals(headed.warnings, ["clone_taget v1.0 means nothing with target_mode REMOTE_HEAD"]);
});

Deno.test("clone says so when the remote's HEAD names no branch that exists", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  git(remote, "symbolic-ref", "HEAD", "refs/heads/gone");
  const url = fileUrl(remote);
  const refused: Changed[] = [
    {},
    { full: true },
    { mode: "LOCAL_BRANCH", target: "mine" },
    { mode: "REMOTE_BRANCH", target: "nowhere" },
  ];
  for (const changed of refused) {
    const error = await assertRejects(
      () => cloned(fixture, request(url, changed)),
      DaemonError,
      "no commit at its HEAD",
    );
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertStringIncludes(error.message, "(there is feature/x, main and more)");
  }
  const branch = await cloned(fixture, request(url, { mode: "REMOTE_BRANCH", target: "main" }));
  assertEquals(Deno.readTextFileSync(join(branch.path, "a.txt")), "30\n");
  const target = git(remote, "rev-parse", "main~25");
  const commit = await cloned(fixture, request(url, { mode: "REMOTE_COMMIT", target }));
  assertEquals(git(commit.path, "rev-parse", "HEAD"), target);
});

Deno.test("a shallow clone has the tags of what it has, and twenty commits of a commit's history", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  const head = await cloned(fixture, request(fileUrl(remote)));
  assertEquals(git(head.path, "describe"), "v2.0");
  assertEquals(git(head.path, "rev-list", "--count", "HEAD"), "1");
  for (
    const [revision, described] of [
      ["main", "v2.0"],
      ["main~4", "light-1-"],
      ["main~8", "v1.0-2-"],
      ["main~10", "v1.0"],
    ] as const
  ) {
    const target = git(remote, "rev-parse", revision);
    const { path } = await cloned(
      fixture,
      request(fileUrl(remote), { mode: "REMOTE_COMMIT", target }),
    );
    assertEquals(git(path, "rev-list", "--count", "HEAD"), "20");
    assertStringIncludes(git(path, "describe", "--tags"), described);
    assertEquals(git(path, "rev-parse", "--is-shallow-repository"), "true");
  }
  const short = git(remote, "rev-parse", "main").slice(0, 9);
  const abbreviated = request(fileUrl(remote), { mode: "REMOTE_COMMIT", target: short });
  assertEquals(git((await cloned(fixture, abbreviated)).path, "rev-list", "--count", "HEAD"), "20");
});

Deno.test("clone finds a commit that the server does not give by its hash", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  await using server = serveGit(fixture.remotes, { v0: true });
  for (const revision of ["main~25", "v1.0", "elsewhere"]) {
    const target = git(remote, "rev-parse", `${revision}^{commit}`);
    for (const full of revision === "v1.0" ? [false] : [false, true]) {
      const what = request(`${server.url}/a.git`, { mode: "REMOTE_COMMIT", target, full });
      assertEquals(git((await cloned(fixture, what)).path, "rev-parse", "HEAD"), target);
    }
  }
  const target = "1234567890".repeat(4);
  const missing = request(`${server.url}/a.git`, { mode: "REMOTE_COMMIT", target });
  await assertRejects(
    () => cloned(fixture, missing),
    DaemonError,
    `no commit ${target} on any of its`,
  );
});

Deno.test("clone takes the whole history from a server that cannot cut it", async () => {
  await using fixture = await gitFixture();
  const remote = taggedRemote(fixture);
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const commit = git(child, "rev-parse", "main~1");
  addSubmodule(remote, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  for (const path of [remote, child]) {
    // One object at a time would take seconds.
    git(path, "repack", "-a", "-d", "--quiet");
    git(path, "update-server-info");
  }
  await using server = serveGit(fixture.remotes, { dumb: true });
  const target = git(remote, "rev-parse", "main~25");
  const changes: Changed[] = [
    {},
    { full: true },
    { mode: "LOCAL_BRANCH", target: "mine" },
    { mode: "REMOTE_BRANCH", target: "feature/x" },
    { mode: "REMOTE_BRANCH", target: "v1.0" },
    { mode: "REMOTE_COMMIT", target },
  ];
  for (const changed of changes) {
    const url = `${server.url}/a.git`;
    const { path, warnings } = await cloned(fixture, request(url, { ...changed }));
    assertEquals(git(path, "rev-parse", "--is-shallow-repository"), "false");
    assertEquals(warnings, []);
    if (changed.mode === undefined) {
      assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
      assertEquals(Deno.readTextFileSync(join(path, "m/a.txt")), "29\n");
    }
    if (changed.mode === "REMOTE_COMMIT") {
      assertEquals(git(path, "rev-parse", "HEAD"), target);
    }
  }
  const upstream = await cloned(
    fixture,
    request(fileUrl(remote), { upstream: `${server.url}/child.git` }),
  );
  assert(git(upstream.path, "rev-parse", "upstream/main"));
});
