import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import type { CheckoutRequest } from "../../src/git/checkout_request.ts";
import { addCommits, fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { cloned, type GitFixture, gitFixture, request } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "1\n2\n3\n4\n5\n6\n7\n", "b.txt": "b\n" } },
];
const NEXT = [
  { branch: "main", subject: "second", files: { "a.txt": "1\n2\n3\n4\n5\n6\nseven\n" } },
  { branch: "other", subject: "third", files: { "c.txt": "c\n" }, from: "main" },
];

/** A checkout of the first commit, behind its remote. */
async function behind(fixture: GitFixture, full = false) {
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), COMMITS);
  const { tree, path } = await cloned(fixture, request(fileUrl(remote), { full }), "repo");
  addCommits(remote, NEXT);
  return { tree, path, remote };
}

async function update(
  fixture: GitFixture,
  { tree, remote }: Awaited<ReturnType<typeof behind>>,
  changed: Partial<CheckoutRequest> = {},
): Promise<void> {
  const what = { ...request(fileUrl(remote)), ...changed };
  await fixture.git.update(what, { tree, location: "repo", signal: new AbortController().signal });
}

Deno.test("update brings a checkout to the remote's HEAD and keeps local changes that fit", async () => {
  await using fixture = await gitFixture();
  const place = await behind(fixture);
  Deno.writeTextFileSync(join(place.path, "a.txt"), "one\n2\n3\n4\n5\n6\n7\n");
  Deno.writeTextFileSync(join(place.path, "untracked.txt"), "mine\n");
  await update(fixture, place);
  assertEquals(git(place.path, "log", "-1", "--format=%s"), "second");
  assertEquals(Deno.readTextFileSync(join(place.path, "a.txt")), "one\n2\n3\n4\n5\n6\nseven\n");
  assertEquals(Deno.readTextFileSync(join(place.path, "untracked.txt")), "mine\n");
  assertEquals(git(place.path, "stash", "list"), "");
  assertEquals(git(place.path, "rev-parse", "--is-shallow-repository"), "true");
});

Deno.test("update drops local changes that do not fit from the working tree", async () => {
  await using fixture = await gitFixture();
  const place = await behind(fixture);
  Deno.writeTextFileSync(join(place.path, "a.txt"), "1\n2\n3\n4\n5\n6\nSEVEN\n");
  await update(fixture, place);
  assertEquals(Deno.readTextFileSync(join(place.path, "a.txt")), "1\n2\n3\n4\n5\n6\nseven\n");
  assertEquals(git(place.path, "status", "--porcelain"), "");
  assertEquals(git(place.path, "stash", "list").split("\n").length, 1);
});

Deno.test("update reaches each kind of target", async (t) => {
  const cases: [Partial<CheckoutRequest>, { branch: string; subject: string }][] = [
    [{ mode: "REMOTE_BRANCH", target: "other" }, { branch: "other", subject: "third" }],
    [{ mode: "LOCAL_BRANCH", target: "mine" }, { branch: "mine", subject: "second" }],
    [{ mode: "REMOTE_BRANCH", target: "lacking" }, { branch: "lacking", subject: "second" }],
  ];
  await using fixture = await gitFixture();
  for (const [changed, { branch, subject }] of cases) {
    await t.step(`${changed.mode} ${changed.target}`, async () => {
      const place = await behind(fixture);
      await update(fixture, place, changed);
      assertEquals(git(place.path, "branch", "--show-current"), branch);
      assertEquals(git(place.path, "log", "-1", "--format=%s"), subject);
    });
  }
  await t.step("REMOTE_COMMIT", async () => {
    const place = await behind(fixture);
    const target = git(place.remote, "rev-parse", "other");
    await update(fixture, place, { mode: "REMOTE_COMMIT", target });
    assertEquals(git(place.path, "rev-parse", "HEAD"), target);
  });
});

Deno.test("update keeps a whole history whole, and makes a shallow one whole when asked to", async () => {
  await using fixture = await gitFixture();
  const whole = await behind(fixture, true);
  await update(fixture, whole);
  assertEquals(git(whole.path, "rev-list", "--count", "HEAD"), "2");
  assertEquals(git(whole.path, "rev-parse", "--is-shallow-repository"), "false");
  const shallow = await behind(fixture);
  await update(fixture, shallow, { full: true });
  assertEquals(git(shallow.path, "rev-list", "--count", "HEAD"), "2");
  assertEquals(git(shallow.path, "rev-parse", "--is-shallow-repository"), "false");
});

Deno.test("update sets the remotes and the custom config, replacing what was there", async () => {
  await using fixture = await gitFixture();
  const place = await behind(fixture);
  const upstream = makeRemote(join(fixture.remotes, "up.git"), COMMITS);
  const config = join(place.path, ".git/config");
  git(place.path, "remote", "set-url", "origin", "https://elsewhere.example/x.git");
  Deno.writeTextFileSync(config, `${Deno.readTextFileSync(config)}# a comment\n`);
  await update(fixture, place, {
    config: [["user.name", "New"], ["core.fsmonitor", "true"]],
    ...{ upstream: request(fileUrl(upstream)).remote },
  });
  assertEquals(git(place.path, "config", "--get-all", "remote.origin.url"), fileUrl(place.remote));
  assertEquals(git(place.path, "config", "--get-all", "user.name"), "New");
  assertEquals(git(place.path, "config", "--get-all", "core.fsmonitor"), "true");
  assertEquals(git(place.path, "rev-parse", "upstream/main"), git(upstream, "rev-parse", "main"));
  assert(Deno.readTextFileSync(config).includes("# a comment"));
  await update(fixture, place);
  assertEquals(git(place.path, "config", "--get-all", "remote.origin.url"), fileUrl(place.remote));
});

Deno.test("update overwrites untracked files that the target has", async () => {
  await using fixture = await gitFixture();
  const place = await behind(fixture);
  Deno.writeTextFileSync(join(place.path, "c.txt"), "built\n");
  await update(fixture, place, { mode: "REMOTE_BRANCH", target: "other" });
  assertEquals(Deno.readTextFileSync(join(place.path, "c.txt")), "c\n");
});

Deno.test("update says so when there is no repository", async () => {
  await using fixture = await gitFixture();
  const place = await behind(fixture);
  Deno.removeSync(join(place.path, ".git"), { recursive: true });
  const error = await assertRejects(() => update(fixture, place), DaemonError, "no Git repository");
  assertEquals(error.code, "FAILED_PRECONDITION");
});
