/** What a restored repository can hold, against the git that brings it to its target. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError } from "../../src/errors.ts";
import { addCommits, addSubmodule, fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "one\n", "b.txt": "b\n" } },
];

interface Restored {
  tree: Tree;
  path: string;
  remote: string;
  canary: string;
  /** A command that leaves the canary. */
  run: string;
}

/** A checkout as a prebuild's snapshot would have brought it, behind its remote. */
async function restored(fixture: GitFixture): Promise<Restored> {
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), COMMITS);
  const { tree, path } = await cloned(fixture, request(fileUrl(remote)));
  addCommits(remote, [{
    branch: "main",
    subject: "second",
    files: { "a.txt": "two\n", ".gitattributes": "* filter=evil diff=evil merge=evil\n" },
  }]);
  const folder = join(fixture.root, "canaries");
  Deno.mkdirSync(folder, { recursive: true });
  Deno.chmodSync(folder, 0o777);
  const canary = join(folder, "ran");
  const program = join(folder, "program");
  Deno.writeTextFileSync(program, `#!/bin/sh\necho "$0 $*" >> ${canary}\nexit 1\n`);
  Deno.chmodSync(program, 0o755);
  return { tree, path, remote, canary, run: program };
}

function update(fixture: GitFixture, { tree, remote }: Restored, changed = {}): Promise<void> {
  const signal = new AbortController().signal;
  return fixture.git.update(request(fileUrl(remote), changed), { tree, location: "", signal });
}

/** Variables that make git run what they name, or what another file of theirs names. */
const PROGRAMS: readonly (readonly [string, (run: string) => string])[] = [
  ["core.fsmonitor", (run) => run],
  ["core.hooksPath", (run) => dirname(run)],
  ["core.sshCommand", (run) => run],
  ["core.gitProxy", (run) => run],
  ["core.askPass", (run) => run],
  ["core.editor", (run) => run],
  ["core.pager", (run) => run],
  ["core.alternateRefsCommand", (run) => run],
  ["core.attributesFile", () => "/etc/passwd"],
  ["credential.helper", (run) => run],
  ["filter.evil.clean", (run) => run],
  ["filter.evil.smudge", (run) => run],
  ["filter.evil.process", (run) => run],
  ["filter.evil.required", () => "true"],
  ["diff.external", (run) => run],
  ["diff.evil.command", (run) => run],
  ["diff.evil.textconv", (run) => run],
  ["merge.evil.driver", (run) => run],
  ["gpg.program", (run) => run],
  ["log.showSignature", () => "true"],
  ["commit.gpgSign", () => "true"],
  ["remote.origin.uploadpack", (run) => run],
  ["remote.origin.vcs", () => "ext"],
  ["uploadpack.packObjectsHook", (run) => run],
  ["url.ext::sh -c touch.insteadOf", () => "file://"],
  ["alias.checkout", (run) => `!${run}`],
  ["submodule.m.update", (run) => `!${run}`],
  ["gc.recentObjectsHook", (run) => run],
];

Deno.test("update runs no program that a restored config names, and keeps the config", async () => {
  await using fixture = await gitFixture();
  const place = await restored(fixture);
  const config = join(place.path, ".git/config");
  for (const [name, value] of PROGRAMS) git(place.path, "config", name, value(place.run));
  const included = join(place.path, ".git/more");
  Deno.writeTextFileSync(included, `[core]\n\tfsmonitor = ${place.run}\n`);
  git(place.path, "config", "include.path", "more");
  for (const hook of ["post-checkout", "pre-auto-gc", "reference-transaction", "post-merge"]) {
    Deno.mkdirSync(join(place.path, ".git/hooks"), { recursive: true });
    Deno.copyFileSync(place.run, join(place.path, ".git/hooks", hook));
    // Also where core.hooksPath looks.
    Deno.copyFileSync(place.run, join(dirname(place.run), hook));
  }
  Deno.writeTextFileSync(join(place.path, "b.txt"), "changed\n");
  const before = Deno.readTextFileSync(config);
  await update(fixture, place);
  assertEquals(ranPrograms(place), "");
  assertEquals(Deno.readTextFileSync(join(place.path, "a.txt")), "two\n");
  assertEquals(Deno.readTextFileSync(join(place.path, "b.txt")), "changed\n");
  assertStringIncludes(Deno.readTextFileSync(config), before.slice(0, 200));
  for (const [name, value] of PROGRAMS) {
    const found = git(place.path, "config", "--no-includes", "--get-all", name);
    assertEquals(found, value(place.run), name);
  }
});

Deno.test("the programs of that config do run for a git that nobody hardened", async () => {
  await using fixture = await gitFixture();
  const place = await restored(fixture);
  git(place.path, "config", "core.fsmonitor", place.run);
  git(place.path, "config", "filter.evil.clean", place.run);
  Deno.writeTextFileSync(join(place.path, ".gitattributes"), "* filter=evil\n");
  Deno.writeTextFileSync(join(place.path, "a.txt"), "ONE\n");
  git(place.path, "status");
  assertStringIncludes(ranPrograms(place), "program");
});

Deno.test("update refuses a Git folder that leads elsewhere, and names what does", async (t) => {
  const cases: [string, (git: string, outside: string) => void][] = [
    [".git/objects/pack", (folder, outside) => {
      Deno.removeSync(join(folder, "objects/pack"), { recursive: true });
      Deno.symlinkSync(outside, join(folder, "objects/pack"));
    }],
    [".git/refs/remotes", (folder, outside) => {
      Deno.removeSync(join(folder, "refs/remotes"), { recursive: true });
      Deno.symlinkSync(outside, join(folder, "refs/remotes"));
    }],
    [".git/config", (folder, outside) => {
      Deno.removeSync(join(folder, "config"));
      Deno.symlinkSync(join(outside, "config"), join(folder, "config"));
    }],
    [".git/commondir", (folder, outside) => {
      Deno.writeTextFileSync(join(folder, "commondir"), outside);
    }],
    ["repository of its own", (folder, outside) => {
      Deno.removeSync(folder, { recursive: true });
      Deno.writeTextFileSync(folder, `gitdir: ${outside}\n`);
    }],
    ["repository of its own", (folder, outside) => {
      Deno.removeSync(folder, { recursive: true });
      Deno.symlinkSync(outside, folder);
    }],
  ];
  await using fixture = await gitFixture();
  for (const [named, change] of cases) {
    await t.step(named, async () => {
      const place = await restored(fixture);
      change(join(place.path, ".git"), join(place.remote));
      const error = await assertRejects(() => update(fixture, place), DaemonError, named);
      assertEquals(error.code, "FAILED_PRECONDITION");
    });
  }
});

Deno.test("update reads no objects of elsewhere that a restored repository names", async () => {
  await using fixture = await gitFixture();
  const place = await restored(fixture);
  const neighbour = makeRemote(join(fixture.remotes, "neighbour.git"), [
    { branch: "main", subject: "private", files: { "secret.txt": "secret" } },
  ]);
  const target = git(neighbour, "rev-parse", "main");
  const alternates = join(place.path, ".git/objects/info/alternates");
  Deno.writeTextFileSync(alternates, `${neighbour}/objects\n`);
  await assertRejects(
    () => update(fixture, place, { mode: "REMOTE_COMMIT", target }),
    DaemonError,
    target,
  );
  assert(![...Deno.readDirSync(place.path)].some(({ name }) => name === "secret.txt"));
});

Deno.test("update leaves a submodule alone whose .git leads elsewhere", async () => {
  await using fixture = await gitFixture();
  const place = await restored(fixture);
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  const evil = join(place.path, "evil.git");
  git(place.path, "init", "--quiet", "--bare", evil);
  git(evil, "config", "core.fsmonitor", place.run);
  git(evil, "config", "core.bare", "false");
  Deno.mkdirSync(join(place.path, "m"));
  Deno.writeTextFileSync(join(place.path, "m/.git"), "gitdir: ../evil.git\n");
  addSubmodule(place.remote, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  give(fixture, place.path);
  await update(fixture, place);
  assertEquals(ranPrograms(place), "");
  assertEquals([...Deno.readDirSync(join(place.path, "m"))].map(({ name }) => name), [".git"]);
});

Deno.test("update disarms the config of submodules too", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "p.git"), COMMITS);
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const add = () => {
    const commit = git(child, "rev-parse", "main");
    addSubmodule(remote, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  };
  add();
  const { tree, path } = await cloned(fixture, request(fileUrl(remote)));
  addCommits(child, [{
    branch: "main",
    subject: "second",
    files: { "a.txt": "two\n", ".gitattributes": "* filter=evil\n" },
  }]);
  add();
  const folder = join(fixture.root, "canaries");
  Deno.mkdirSync(folder);
  Deno.chmodSync(folder, 0o777);
  const place = { tree, path, remote, canary: join(folder, "ran"), run: join(folder, "program") };
  Deno.writeTextFileSync(place.run, `#!/bin/sh\necho ran >> ${place.canary}\nexit 1\n`);
  Deno.chmodSync(place.run, 0o755);
  const config = join(path, ".git/modules/m/config");
  for (const name of ["core.fsmonitor", "filter.evil.smudge", "core.sshCommand"]) {
    git(path, "config", "--file", config, name, place.run);
  }
  await update(fixture, place);
  assertEquals(ranPrograms(place), "");
  assertEquals(Deno.readTextFileSync(join(path, "m/a.txt")), "two\n");
  assertEquals(git(path, "config", "--file", config, "filter.evil.smudge"), place.run);
});

Deno.test("clone does not go through a link to its location", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { tree, path } = await fixture.tree();
  const outside = join(fixture.root, "outside");
  Deno.mkdirSync(outside);
  Deno.chmodSync(outside, 0o777);
  Deno.symlinkSync(outside, join(path, "link"));
  for (const location of ["link", "link/deeper"]) {
    const signal = new AbortController().signal;
    const place = { tree, location, owner: fixture.owner, signal };
    await assertRejects(
      () => fixture.git.clone(request(fileUrl(remote)), place),
      DaemonError,
      "link",
    );
  }
  assertEquals([...Deno.readDirSync(outside)], []);
});

Deno.test("clone runs no hook of the remote's and of no template", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const { path } = await cloned(fixture, request(fileUrl(remote)));
  assert(![...Deno.readDirSync(join(path, ".git"))].some(({ name }) => name === "hooks"));
});

function ranPrograms({ canary }: Pick<Restored, "canary">): string {
  try {
    return Deno.readTextFileSync(canary);
  } catch {
    return "";
  }
}

/** Gives what the test made to the content's owner. */
function give({ owner }: GitFixture, path: string): void {
  if (!isRoot) return;
  new Deno.Command("chown", { args: ["-R", `${owner.uid}:${owner.gid}`, path] }).outputSync();
}
