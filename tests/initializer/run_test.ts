/** Each initializer as the lifecycle runs it, and each field of the Git ones in effect. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { newLineage } from "../../src/snapshot/lineage.ts";
import type { GitSpec, InitializerSpec, SnapshotSpec } from "../../src/initializer/specs.ts";
import {
  addCommits,
  addSubmodule,
  fileUrl,
  git,
  makeRemote,
  serveGit,
} from "../fixtures/git_repos.ts";
import { ALICE, gitSpec, type InitializerFixture, initializerFixture, read } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "1\n2\n3\n4\n5\n" } },
  { branch: "topic", subject: "on topic", files: { "t.txt": "t\n" }, from: "main" },
];

const composite = (...initializers: InitializerSpec[]): InitializerSpec => ({
  kind: "composite",
  initializers,
});
const snapshotOf = (snapshot: string): SnapshotSpec => ({
  kind: "snapshot",
  snapshot,
  fromVolumeSnapshot: false,
});

/** Takes a snapshot of a tree that `spec` fills. */
async function snapshot(
  fixture: InitializerFixture,
  spec: InitializerSpec,
  edit?: (path: string) => void,
) {
  const { tree, path } = await fixture.run(spec);
  edit?.(path);
  const url = fixture.images.newSnapshotUrl(ALICE);
  await fixture.images.saveSnapshot(tree, url, { baseline: tree.name });
  return url;
}

Deno.test("empty initializer leaves an empty workspace", async () => {
  await using fixture = await initializerFixture();
  const { path } = await fixture.run({ kind: "empty" });
  assertEquals([...Deno.readDirSync(path)], []);
});

Deno.test("git initializer follows each of its fields", async (t) => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const main = git(join(fixture.base.remotes, "a.git"), "rev-parse", "main");
  const run = async (changed: Parameters<typeof gitSpec>[1] = {}) =>
    (await fixture.run(gitSpec(remote, changed))).path;
  await t.step("remote_uri", async () => {
    assertEquals(git(await run(), "remote", "get-url", "origin"), remote);
  });
  await t.step("upstream_Remote_uri", async () => {
    const path = await run({ upstreamRemoteUri: remote });
    assertEquals(git(path, "rev-parse", "upstream/main"), main);
  });
  await t.step("target_mode and clone_taget", async () => {
    const modes: [GitSpec["targetMode"], string, string][] = [
      ["REMOTE_HEAD", "", "main"],
      ["REMOTE_BRANCH", "topic", "topic"],
      ["LOCAL_BRANCH", "mine", "mine"],
      ["REMOTE_COMMIT", main, ""],
    ];
    for (const [targetMode, cloneTarget, branch] of modes) {
      const path = await run({ targetMode, cloneTarget });
      assertEquals(git(path, "branch", "--show-current"), branch);
    }
  });
  await t.step("checkout_location", async () => {
    const path = await run({ checkoutLocation: "src/./x/" });
    assertEquals(read(path, "src/x/a.txt"), "1\n2\n3\n4\n5\n");
  });
  await t.step("full_clone", async () => {
    assertEquals(git(await run(), "for-each-ref", "refs/remotes/origin/topic"), "");
    const path = await run({ fullClone: true });
    assertStringIncludes(git(path, "for-each-ref", "refs/remotes/origin/topic"), "commit");
  });
  await t.step("config.custom_config", async () => {
    const path = await run({ config: { customConfig: { "user.email": "me@example.com" } } });
    assertEquals(git(path, "config", "user.email"), "me@example.com");
  });
});

Deno.test("git initializer logs in as its config says", async (t) => {
  await using fixture = await initializerFixture();
  makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.base.remotes, { login: "jane:hunter2" });
  const url = `${server.url}/a.git`;
  await t.step("BASIC_AUTH with auth_user and auth_password", async () => {
    const config = {
      authentication: "BASIC_AUTH",
      authUser: "jane",
      authPassword: "hunter2",
    } as const;
    const { path } = await fixture.run(gitSpec(url, { config }));
    assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
    for (const wrong of [{ ...config, authUser: "joe" }, { ...config, authPassword: "hunter3" }]) {
      const error = await assertRejects(
        () => fixture.run(gitSpec(url, { config: wrong })),
        DaemonError,
        "Authentication failed",
      );
      assert(!error.message.includes("hunter"), error.message);
    }
  });
  await t.step("BASIC_AUTH_OTS with auth_ots, asked once", async () => {
    let asked = 0;
    await using secrets = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      asked++;
      return new Response(asked === 1 ? "jane:hunter2\n" : "", { status: asked === 1 ? 200 : 404 });
    });
    const authOts = `http://127.0.0.1:${secrets.addr.port}/otsSecret`;
    const ots = { config: { authentication: "BASIC_AUTH_OTS", authOts } } as const;
    const { path } = await fixture.run(gitSpec(url, { ...ots, upstreamRemoteUri: url }));
    assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
    assertEquals(asked, 1);
    const error = await assertRejects(() => fixture.run(gitSpec(url, ots)), DaemonError, "404");
    assertEquals(error.code, "FAILED_PRECONDITION");
    assert(!error.message.includes("otsSecret"), error.message);
  });
  await t.step("NO_AUTH ignores them", async () => {
    const config = { authUser: "jane", authPassword: "hunter2" };
    await assertRejects(
      () => fixture.run(gitSpec(url, { config })),
      DaemonError,
      "asks for a login",
    );
  });
});

Deno.test("git initializer is stopped when the checkout outgrows the quota", async () => {
  await using fixture = await initializerFixture({ tuning: { usageInterval: 1 } });
  const remote = makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  addCommits(remote, [{ branch: "main", subject: "big", files: { big: "x".repeat(200_000) } }]);
  const error = await assertRejects(
    () => fixture.run(gitSpec(fileUrl(remote)), { limitBytes: 100_000 }),
    DaemonError,
    "quota",
  );
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
  await fixture.run(gitSpec(fileUrl(remote)), { limitBytes: 1_000_000 });
});

Deno.test("composite runs its parts in order, several checkouts among them", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const { path } = await fixture.run(composite(
    gitSpec(remote, { checkoutLocation: "one" }),
    composite({ kind: "empty" }, gitSpec(remote, { checkoutLocation: "two" })),
  ));
  assertEquals(read(path, "one/a.txt"), read(path, "two/a.txt"));
  const twice = composite(gitSpec(remote), gitSpec(remote));
  await assertRejects(() => fixture.run(twice), DaemonError, "already");
});

Deno.test("composite ends at the first part that fails", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const failing = composite(
    gitSpec(remote, { checkoutLocation: "one" }),
    gitSpec(fileUrl(join(fixture.base.remotes, "none.git")), { checkoutLocation: "two" }),
    gitSpec(remote, { checkoutLocation: "three" }),
  );
  const { tree, path } = await fixture.base.tree();
  const error = await assertRejects(() => fixture.run(failing, { tree }), DaemonError, "two");
  assertEquals(error.code, "FAILED_PRECONDITION");
  assert(![...Deno.readDirSync(path)].some(({ name }) => name === "three"));
});

Deno.test("snapshot initializer restores, hands its baseline over, and can be built upon", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const url = await snapshot(fixture, gitSpec(remote, { checkoutLocation: "repo" }));
  const { path } = await fixture.run(
    composite(snapshotOf(url), gitSpec(remote, { checkoutLocation: "more" })),
  );
  assertEquals(read(path, "repo/a.txt"), read(path, "more/a.txt"));
  assertEquals(fixture.baselines.length, 1);
  const unknown = snapshotOf(fixture.images.newSnapshotUrl(ALICE));
  const error = await assertRejects(() => fixture.run(unknown), DaemonError);
  assertEquals(error.code, "NOT_FOUND");
});

Deno.test("backup initializer restores the latest backup, and says so where there is none", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const backup = { kind: "backup", checkoutLocation: "", fromVolumeSnapshot: false } as const;
  const none = await assertRejects(() => fixture.run(backup), DaemonError, "no backup");
  assertEquals(none.code, "FAILED_PRECONDITION");
  const { tree } = await fixture.run(gitSpec(remote));
  await fixture.images.saveBackup(tree, ALICE, { baseline: tree.name });
  const { path } = await fixture.run(backup);
  assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
  assertEquals(fixture.baselines.length, 1);
});

Deno.test("any backup that is kept is started from by its url, another owner's latest by no guess", async () => {
  await using fixture = await initializerFixture();
  const urls: string[] = [];
  // Each is of another lineage, so that both are kept.
  for (const content of ["first", "second"]) {
    const { tree, path } = await fixture.run({ kind: "empty" });
    await Deno.writeTextFile(join(path, "work"), content);
    const lineage = newLineage();
    const options = { baseline: tree.name, lineage };
    urls.push((await fixture.images.saveBackup(tree, ALICE, options)).url);
  }
  const latest = "wsdaemon:backup/alice/notes";
  const workOf = async (url: string, owner: string) => {
    const identity = { owner, metaId: "fork" };
    const prebuild: InitializerSpec = { kind: "prebuild", prebuild: snapshotOf(url), git: [] };
    const trees = [await fixture.run(snapshotOf(url), { identity })];
    trees.push(await fixture.run(prebuild, { identity }));
    return trees.map(({ path }) => read(path, "work"));
  };
  for (const owner of ["alice", "bob"]) {
    assertEquals(await workOf(urls[0]!, owner), ["first", "first"]);
    assertEquals(await workOf(urls[1]!, owner), ["second", "second"]);
  }
  assertEquals(await workOf(latest, "alice"), ["second", "second"]);
  assertEquals(`${latest}@${fixture.results.at(-1)?.manifest}`, urls[1]);
  const codeOf = (url: string, owner: string) =>
    workOf(url, owner).then(() => "OK", ({ code }) => code);
  assertEquals(await codeOf(latest, "bob"), "PERMISSION_DENIED");
  assertEquals(await codeOf("wsdaemon:backup/alice/other", "alice"), "NOT_FOUND");
  assertEquals(await codeOf(`${latest}@${digestOf("none")}`, "alice"), "NOT_FOUND");
  // An image is found only under the name of whose it is.
  assertEquals(await codeOf(urls[0]!.replace("/alice/", "/bob/"), "bob"), "NOT_FOUND");
});

Deno.test("where backups are preferred, one is restored whatever the initializer says", async () => {
  await using fixture = await initializerFixture({ preferBackup: true });
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const first = await fixture.run(gitSpec(remote));
  await Deno.writeTextFile(join(first.path, "work"), "unpushed");
  await fixture.images.saveBackup(first.tree, ALICE, { baseline: first.tree.name });
  const again = composite(gitSpec(remote), gitSpec(remote, { checkoutLocation: "two" }));
  const { path } = await fixture.run(again);
  assertEquals(read(path, "work"), "unpushed");
  assert(![...Deno.readDirSync(path)].some(({ name }) => name === "two"));
  assert(fixture.results.at(-1)?.manifest, "what was restored is the base of its lineage");
  const others = await fixture.run(again, { identity: { owner: "bob", metaId: "notes" } });
  assert(![...Deno.readDirSync(others.path)].some(({ name }) => name === "work"));
  const apart = await fixture.run(gitSpec(remote), { remoteStorage: false });
  assert(![...Deno.readDirSync(apart.path)].some(({ name }) => name === "work"));
});

Deno.test("snapshot and backup are refused where remote storage is disabled; Git is not", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const url = await snapshot(fixture, gitSpec(remote));
  const disabled = { remoteStorage: false };
  const backup = { kind: "backup", checkoutLocation: "", fromVolumeSnapshot: false } as const;
  const bare = { kind: "prebuild", prebuild: snapshotOf(url), git: [] } as const;
  for (const spec of [snapshotOf(url), backup, { ...bare, git: [] }]) {
    const error = await assertRejects(() => fixture.run(spec, disabled), DaemonError, "disabled");
    assertEquals(error.code, "FAILED_PRECONDITION");
  }
  await fixture.run(gitSpec(remote), disabled);
  const prebuild = { ...bare, git: [gitSpec(remote)] };
  const { path } = await fixture.run(prebuild, disabled);
  assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
  assertEquals(fixture.baselines, []);
});

Deno.test("prebuild brings what it restored to its target and keeps what was built", async () => {
  await using fixture = await initializerFixture();
  const bare = makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  const spec = gitSpec(fileUrl(bare), { checkoutLocation: "repo" });
  const url = await snapshot(fixture, spec, (path) => {
    Deno.writeTextFileSync(join(path, "repo/built.o"), "object");
    Deno.writeTextFileSync(join(path, "repo/a.txt"), "one\n2\n3\n4\n5\n");
  });
  addCommits(bare, [{ branch: "main", subject: "next", files: { "a.txt": "1\n2\n3\n4\nfive\n" } }]);
  const { path } = await fixture.run({ kind: "prebuild", prebuild: snapshotOf(url), git: [spec] });
  assertEquals(read(path, "repo/built.o"), "object");
  assertEquals(read(path, "repo/a.txt"), "one\n2\n3\n4\nfive\n");
  assertEquals(git(join(path, "repo"), "log", "-1", "--format=%s"), "next");
  assertEquals(fixture.baselines.length, 1);
});

Deno.test("prebuild clones what the snapshot lacks", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const url = await snapshot(fixture, gitSpec(remote, { checkoutLocation: "one" }));
  const specs = ["one", "two"].map((checkoutLocation) => gitSpec(remote, { checkoutLocation }));
  const { path } = await fixture.run({ kind: "prebuild", prebuild: snapshotOf(url), git: specs });
  assertEquals(read(path, "one/a.txt"), read(path, "two/a.txt"));
});

Deno.test("prebuild falls back to Git when its snapshot cannot be restored", async () => {
  await using fixture = await initializerFixture();
  const bare = makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  const child = makeRemote(join(fixture.base.remotes, "child.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  addSubmodule(bare, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  const spec = gitSpec(fileUrl(bare));
  const unknown = snapshotOf(fixture.images.newSnapshotUrl(ALICE));
  const { path } = await fixture.run({ kind: "prebuild", prebuild: unknown, git: [spec] });
  assertEquals(read(path, "m/a.txt"), "1\n2\n3\n4\n5\n");
  // Half of it is there when the quota ends it, and must not be in the way.
  const url = await snapshot(fixture, { kind: "empty" }, (top) => {
    Deno.writeTextFileSync(join(top, "a.txt"), "x");
    Deno.writeTextFileSync(join(top, "z.bin"), "z".repeat(500_000));
  });
  const small = await fixture.run(
    { kind: "prebuild", prebuild: snapshotOf(url), git: [spec] },
    { limitBytes: 400_000, identity: { owner: "bob", metaId: "notes" } },
  );
  assertEquals(read(small.path, "a.txt"), "1\n2\n3\n4\n5\n");
  assert(![...Deno.readDirSync(small.path)].some(({ name }) => name === "z.bin"));
  const alone = { kind: "prebuild", prebuild: unknown, git: [] } as const;
  const error = await assertRejects(() => fixture.run({ ...alone, git: [] }), DaemonError);
  assertEquals(error.code, "NOT_FOUND");
});

Deno.test("prebuild without a snapshot starts from Git", async () => {
  await using fixture = await initializerFixture();
  const spec = gitSpec(fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS)));
  for (const prebuild of [{ prebuild: snapshotOf("") }, {}]) {
    const { path } = await fixture.run({ kind: "prebuild", ...prebuild, git: [spec] });
    assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
  }
});

Deno.test("prebuild clones among files that belong to no repository, and keeps them", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const url = await snapshot(fixture, { kind: "empty" }, (top) => {
    Deno.writeTextFileSync(join(top, "a.txt"), "mine\n");
    Deno.writeTextFileSync(join(top, "b.txt"), "mine\n");
  });
  const { path } = await fixture.run({
    kind: "prebuild",
    prebuild: snapshotOf(url),
    git: [gitSpec(remote)],
  });
  assertEquals(read(path, "a.txt"), "1\n2\n3\n4\n5\n");
  assertEquals(read(path, "b.txt"), "mine\n");
  const folder = join(path, ".git/wsdaemon-put-aside");
  const [stamp] = [...Deno.readDirSync(folder)];
  assertEquals(read(folder, `${stamp!.name}/files/a.txt`), "mine\n");
});

Deno.test("prebuild follows a link to its checkout, and renames what is in its way", async () => {
  await using fixture = await initializerFixture();
  const bare = makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  const remote = fileUrl(bare);
  const url = await snapshot(fixture, gitSpec(remote, { checkoutLocation: "src/repo" }), (top) => {
    Deno.symlinkSync("src/repo", join(top, "repo"));
    Deno.writeTextFileSync(join(top, "file"), "mine\n");
    Deno.symlinkSync("/etc", join(top, "out"));
  });
  addCommits(bare, [{ branch: "main", subject: "next", files: { "a.txt": "next\n" } }]);
  const specs = ["repo", "file/in/it", "out"].map((checkoutLocation) =>
    gitSpec(remote, { checkoutLocation })
  );
  const { path } = await fixture.run({
    kind: "prebuild",
    prebuild: snapshotOf(url),
    git: specs,
  });
  for (const place of ["repo", "src/repo", "file/in/it", "out"]) {
    assertEquals(read(path, `${place}/a.txt`), "next\n");
  }
  const names = [...Deno.readDirSync(path)].map(({ name }) => name);
  assertEquals(read(path, names.find((name) => name.startsWith("file.put-aside-"))!), "mine\n");
  assertEquals(
    Deno.readLinkSync(join(path, names.find((name) => /^out\.put/.test(name))!)),
    "/etc",
  );
  assertEquals(Deno.readLinkSync(join(path, "repo")), "src/repo");
});

Deno.test("prebuild does not follow a link into a .git folder", async () => {
  await using fixture = await initializerFixture();
  const remote = fileUrl(makeRemote(join(fixture.base.remotes, "a.git"), COMMITS));
  const url = await snapshot(fixture, gitSpec(remote, { checkoutLocation: "repo" }), (top) => {
    Deno.symlinkSync("repo/.git/refs", join(top, "link"));
  });
  const git = [gitSpec(remote, { checkoutLocation: "link" })];
  const error = await assertRejects(
    () => fixture.run({ kind: "prebuild", prebuild: snapshotOf(url), git }),
    DaemonError,
    '"repo/.git/refs"',
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});

Deno.test("an initializer that is cancelled tells its caller's reason", async () => {
  await using fixture = await initializerFixture();
  const signal = AbortSignal.abort(new DaemonError("ABORTED", "disposed of"));
  await assertRejects(() => fixture.run({ kind: "empty" }, { signal }), DaemonError, "disposed of");
});
