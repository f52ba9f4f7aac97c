import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import type { ConfigEntry } from "../../src/git/config_text.ts";
import { NO_REPO_ENV } from "../../src/git/git_environment.ts";
import type { GitSession } from "../../src/git/git_session.ts";
import { type CheckoutFiles, listConfig, sanitizeConfig } from "../../src/git/sanitize_config.ts";
import { withSession } from "../../src/git/with_session.ts";
import { type GitFixture, gitFixture, isRoot, PROTOCOLS } from "./fixture.ts";

const CONFIG = `# written by hand
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tfsmonitor = /tmp/evil
[include]
\tpath = ../outside
[alias]
\tst = !evil
[user]
\tname = Somebody # that is me
\temail = old@example.org
[remote "origin"]
\turl = https://elsewhere.example/x
\tfetch = +refs/heads/*:refs/remotes/origin/*
[filter "lfs"]
\tsmudge = evil
`;

const REQUESTED: readonly ConfigEntry[] = [["Remote.origin.URL", "https://example.org/a.git"]];

interface Repository {
  git: GitSession;
  files: CheckoutFiles;
  /** Absolute path of the Git folder. */
  folder: string;
  read(path: string): string;
  write(path: string, text: string): void;
  /** The variables that are in the config, as `name=value`. */
  variables(): Promise<string[]>;
}

/** Runs `work` on a repository with a hostile config, an alternate, a linked worktree and a lock. */
async function onRepository(
  fixture: GitFixture,
  work: (repository: Repository) => Promise<void>,
): Promise<void> {
  const { tree, path } = await fixture.tree();
  const folder = join(path, ".git");
  for (const name of ["objects/info", "refs", "worktrees/w"]) {
    Deno.mkdirSync(join(folder, name), { recursive: true });
  }
  const write = (name: string, text: string) => Deno.writeTextFileSync(join(folder, name), text);
  write("HEAD", "ref: refs/heads/main\n");
  write("config", CONFIG);
  write("objects/info/alternates", "/elsewhere/objects\n");
  write("worktrees/w/commondir", "/elsewhere/.git\n");
  write("config.lock", "");
  if (isRoot) {
    const { uid, gid } = fixture.owner;
    new Deno.Command("chown", { args: ["-R", `${uid}:${gid}`, path] }).outputSync();
  }
  const { content, options: { spool, egressProxy }, owner } = fixture;
  const signal = new AbortController().signal;
  const place = { tree, location: "", signal };
  await withSession(fixture.options, place, async ({ git: session, scratch }) => {
    const git = session.withEnv(NO_REPO_ENV);
    const timeout = 60_000;
    await work({
      git,
      files: {
        ...{ content, tree, spool, owner, location: "", scratch },
        ...{ egressProxy, protocols: PROTOCOLS, signal, timeout },
      },
      folder,
      read: (name) => Deno.readTextFileSync(join(folder, name)),
      write,
      variables: async () =>
        (await listConfig(git, Deno.readFileSync(join(folder, "config"))))
          .map(([name, value]) => `${name}=${value}`),
    });
  });
}

Deno.test("a sanitized repository has structural variables and the request's, and leads nowhere", async () => {
  await using fixture = await gitFixture();
  await onRepository(fixture, async ({ git, files, folder, read, variables }) => {
    const { folders } = await sanitizeConfig(git, files, ".git", REQUESTED);
    assertEquals(await variables(), [
      "core.repositoryformatversion=0",
      "core.filemode=true",
      "user.name=Somebody",
      "user.email=old@example.org",
      "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*",
      "remote.origin.url=https://example.org/a.git",
    ]);
    assertEquals(read("objects/info/alternates"), "");
    assertEquals(read("worktrees/w/commondir"), "../..\n");
    assertEquals([...folders], [".git"]);
    assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => name === "config.lock"), []);
  });
});

Deno.test("restoring leaves the user's text as it was, with what git and the request changed", async () => {
  await using fixture = await gitFixture();
  await onRepository(fixture, async ({ git, files, read, write, variables }) => {
    const { restore } = await sanitizeConfig(git, files, ".git", REQUESTED);
    // What git does meanwhile: it adds a branch, changes a variable and removes another.
    const changed = read("config").replace("old@example.org", "new@example.org")
      .replace(/^.*filemode.*\n/m, "");
    write("config", `${changed}[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n`);
    await restore(git);
    assertEquals((await variables()).sort(), [
      "alias.st=!evil",
      "branch.main.merge=refs/heads/main",
      "branch.main.remote=origin",
      "core.fsmonitor=/tmp/evil",
      "core.repositoryformatversion=0",
      "filter.lfs.smudge=evil",
      "include.path=../outside",
      "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*",
      "remote.origin.url=https://example.org/a.git",
      "user.email=new@example.org",
      "user.name=Somebody",
    ]);
    assert(read("config").startsWith("# written by hand\n[core]\n"), read("config"));
    assert(read("config").includes("name = Somebody # that is me\n"), read("config"));
    assertEquals(read("objects/info/alternates"), "/elsewhere/objects\n");
    assertEquals(read("worktrees/w/commondir"), "/elsewhere/.git\n");
  });
});

Deno.test("restoring without a change gives back the very bytes", async () => {
  await using fixture = await gitFixture();
  await onRepository(fixture, async ({ git, files, read }) => {
    const { restore } = await sanitizeConfig(git, files, ".git", []);
    await restore(git);
    assertEquals(read("config"), CONFIG);
  });
});

Deno.test("a held-back variable that somebody sets meanwhile stays as the user had it", async () => {
  await using fixture = await gitFixture();
  await onRepository(fixture, async ({ git, files, read, write }) => {
    const { restore } = await sanitizeConfig(git, files, ".git", []);
    write("config", `${read("config")}[core]\n\tfsmonitor = /tmp/worse\n`);
    await restore(git);
    assertEquals(read("config"), CONFIG);
  });
});

Deno.test("a config that is too long to be one is refused, and nothing stays sanitized", async () => {
  await using fixture = await gitFixture();
  await onRepository(fixture, async ({ git, files, read, write }) => {
    const long = `# ${"x".repeat(1 << 20)}\n`;
    write("config", long);
    const refused = await assertRejects(
      () => sanitizeConfig(git, files, ".git", REQUESTED),
      DaemonError,
      "too long",
    );
    assertEquals(refused.code, "FAILED_PRECONDITION");
    assertEquals(read("config"), long);
    assertEquals(read("objects/info/alternates"), "/elsewhere/objects\n");
    assertEquals(read("worktrees/w/commondir"), "/elsewhere/.git\n");
  });
});
