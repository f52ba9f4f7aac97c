import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import {
  addModules,
  addSubmodule,
  fileUrl,
  git,
  linkTo,
  makeRemote,
  serveGit,
} from "../fixtures/git_repos.ts";
import { parseRemote } from "../../src/git/remote.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { holdTime } from "./time.ts";
import { cloned, gitFixture, PROTOCOLS, request } from "./fixture.ts";

const commit = (files: Record<string, string>) => [
  { branch: "main", subject: "old", files: { "old.txt": "old" } },
  { branch: "main", subject: "first", files },
];

Deno.test("clone fetches submodules within submodules, as shallow as itself", async () => {
  await using fixture = await gitFixture();
  const inner = makeRemote(join(fixture.remotes, "inner.git"), commit({ "in.txt": "in" }));
  const middle = makeRemote(join(fixture.remotes, "middle.git"), commit({ "mid.txt": "mid" }));
  const outer = makeRemote(join(fixture.remotes, "outer.git"), commit({ "out.txt": "out" }));
  const head = (path: string) => git(path, "rev-parse", "main");
  const inside = { branch: "main", name: "i", at: "deep/i", url: "../inner.git" };
  addSubmodule(middle, { ...inside, commit: head(inner) });
  addSubmodule(outer, {
    branch: "main",
    name: "m",
    at: "m",
    url: "../middle.git",
    commit: head(middle),
  });
  for (const full of [false, true]) {
    const { path } = await cloned(fixture, request(fileUrl(outer), { full }));
    assertEquals(Deno.readTextFileSync(join(path, "m/deep/i/in.txt")), "in");
    assertEquals(git(path, "submodule", "status", "--recursive").match(/^[-+]/gm), null);
    assertEquals(git(join(path, "m"), "rev-list", "--count", "HEAD"), full ? "3" : "1");
  }
});

Deno.test("clone takes the other submodules when one cannot be had", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), commit({ "c.txt": "c" }));
  const parent = makeRemote(join(fixture.remotes, "parent.git"), commit({ "p.txt": "p" }));
  const hash = git(child, "rev-parse", "main");
  const modules = ["gone", "good"].map((name) =>
    `[submodule "${name}"]\n\tpath = ${name}\n\turl = ../${name === "good" ? "child" : name}.git\n`
  );
  addModules(parent, "main", modules.join(""), { gone: hash, good: hash });
  const { path } = await cloned(fixture, request(fileUrl(parent)));
  assertEquals(Deno.readTextFileSync(join(path, "good/c.txt")), "c");
  assertEquals([...Deno.readDirSync(join(path, "gone"))], []);
});

Deno.test("clone has a submodule's old commit although the server gives branches only", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), commit({ "c.txt": "c" }));
  git(child, "config", "uploadpack.allowAnySHA1InWant", "false");
  const parent = makeRemote(join(fixture.remotes, "parent.git"), commit({ "p.txt": "p" }));
  const old = git(child, "rev-parse", "main~1");
  addSubmodule(parent, { branch: "main", name: "c", at: "c", url: "../child.git", commit: old });
  const { path } = await cloned(fixture, request(fileUrl(parent)));
  assertEquals(git(join(path, "c"), "rev-parse", "HEAD"), old);
});

Deno.test("clone runs nothing and leaves nothing outside for hostile submodules", async (t) => {
  const cases: { name: string; modules(canary: string): string; at: string }[] = [
    {
      name: "a url that starts with a dash",
      modules: (canary) => module("x", "x", `-u./touch${canary}`),
      at: "x",
    },
    {
      name: "a url of the ext protocol",
      modules: (canary) => module("x", "x", `ext::sh -c touch% ${canary}`),
      at: "x",
    },
    {
      name: "an update command",
      modules: (canary) => `${module("x", "x", "../child.git")}\tupdate = !touch ${canary}\n`,
      at: "x",
    },
    {
      name: "a name that climbs out of .git/modules",
      modules: () => module("../../../../escape", "x", "../child.git"),
      at: "x",
    },
    {
      name: "a path that climbs out of the checkout",
      modules: () => module("x", "../escape", "../child.git"),
      at: "x",
    },
    {
      name: "a path through a link that leads out",
      modules: () => module("x", "link/escape", "../child.git"),
      at: "x",
    },
    {
      name: "a path that ends in a carriage return",
      modules: () => module("x", '"link\r"', "../child.git"),
      at: "link\r",
    },
    {
      name: "an absolute path",
      modules: (canary) => module("x", canary, "../child.git"),
      at: "x",
    },
  ];
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), commit({ "c.txt": "c" }));
  const outside = join(fixture.root, "outside");
  Deno.mkdirSync(outside);
  Deno.chmodSync(outside, 0o777);
  const canary = join(outside, "canary");
  for (const [index, { name, modules, at }] of cases.entries()) {
    await t.step(name, async () => {
      const parent = makeRemote(
        join(fixture.remotes, `parent${index}.git`),
        commit({ "p.txt": "p", link: linkTo(outside) }),
      );
      const hash = git(child, "rev-parse", "main");
      addModules(parent, "main", modules(canary), { [at]: hash });
      const { path } = await cloned(fixture, request(fileUrl(parent)), "repo");
      assertEquals(Deno.readTextFileSync(join(path, "p.txt")), "p");
      assertEquals([...Deno.readDirSync(outside)].map((entry) => entry.name), []);
      assertEquals(modulesOf(path), []);
      assertEquals([...Deno.readDirSync(join(path, ".."))].map((entry) => entry.name), ["repo"]);
      assert(![...Deno.readDirSync(fixture.staging)].some((entry) => entry.name === "escape"));
    });
  }
});

Deno.test("clone reaches no host of a submodule past the egress proxy that the rules forbid", async () => {
  await using fixture = await gitFixture();
  const parent = makeRemote(join(fixture.remotes, "parent.git"), commit({ "p.txt": "p" }));
  const child = makeRemote(join(fixture.remotes, "child.git"), commit({ "c.txt": "c" }));
  let reached = 0;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      reached++;
      connection.close();
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const urls = { first: `git://127.0.0.1:${port}/x`, good: "../child.git" };
  const hash = git(child, "rev-parse", "main");
  const modules = Object.entries(urls).map(([name, url]) => module(name, name, url));
  addModules(parent, "main", modules.join(""), { first: hash, good: hash });
  for (const allowLoopback of [false, true]) {
    using egressProxy = new EgressProxy({ allowLoopback, allowHosts: [], denyHosts: [] });
    const other = await fixture.other({ egressProxy, protocols: [...PROTOCOLS, "git"] });
    const { tree, path } = await fixture.tree();
    const place = {
      tree,
      location: "",
      owner: fixture.owner,
      signal: new AbortController().signal,
    };
    const remote = parseRemote(fileUrl(parent), PROTOCOLS);
    await other.clone({ ...request(fileUrl(parent)), remote }, place);
    assertEquals(Deno.readTextFileSync(join(path, "good/c.txt")), "c");
    assertEquals([...Deno.readDirSync(join(path, "first"))], []);
    assertEquals(reached > 0, allowLoopback);
  }
  listener.close();
  await serving;
});

Deno.test("clone is whole, and an update keeps local changes, when the time ends at a submodule", async () => {
  await using fixture = await gitFixture();
  const parent = makeRemote(
    join(fixture.remotes, "parent.git"),
    commit({ "p.txt": "p", "q": "q" }),
  );
  const stalled = Promise.withResolvers<Response>();
  using time = holdTime();
  await using server = serveGit(fixture.remotes, {
    intercept(_, count) {
      // Both have come to their submodule.
      if (count === 2) time.end();
      return stalled.promise;
    },
  });
  // Before the server ends, which waits for its answers.
  using answer = new DisposableStack();
  answer.defer(() => stalled.resolve(new Response()));
  const what = request(fileUrl(parent));
  const plain = await cloned(fixture, what);
  Deno.writeTextFileSync(join(plain.path, "q"), "mine");
  const module = { branch: "main", name: "m", at: "m", url: `${server.url}/x.git` };
  addSubmodule(parent, { ...module, commit: "1".repeat(40) });
  const signal = new AbortController().signal;
  const { tree, path } = await fixture.tree();
  await Promise.all([
    fixture.git.clone(what, { tree, location: "", owner: fixture.owner, signal }),
    fixture.git.update(what, { tree: plain.tree, location: "", signal }),
  ]);
  assertEquals(Deno.readTextFileSync(join(path, "p.txt")), "p");
  assertEquals(git(plain.path, "log", "-1", "--format=%s"), "Add submodules");
  assertEquals(Deno.readTextFileSync(join(plain.path, "q")), "mine");
  assertEquals(git(plain.path, "remote", "get-url", "origin"), fileUrl(parent));
});

/** Submodules' Git folders. */
function modulesOf(path: string): string[] {
  try {
    return [...Deno.readDirSync(join(path, ".git/modules"))].map(({ name }) => name);
  } catch {
    return [];
  }
}

function module(name: string, path: string, url: string): string {
  return `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n`;
}

Deno.test("clone fetches a submodule's commit that its server does not give by its hash", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), [
    { branch: "main", subject: "first", files: { "m.txt": "one" } },
    { branch: "main", subject: "second", files: { "m.txt": "two" } },
    { branch: "side", subject: "third", files: { "m.txt": "three" }, from: "main" },
    { branch: "side", subject: "fourth", files: { "m.txt": "four" } },
  ]);
  const parent = makeRemote(join(fixture.remotes, "parent.git"), [
    { branch: "main", subject: "first", files: { "a.txt": "a" } },
  ]);
  const modules = ["m", "s"].map((at) =>
    `[submodule "${at}"]\n\tpath = ${at}\n\turl = ../child.git\n`
  );
  const [m, s] = ["main~1", "side~1"].map((revision) => git(child, "rev-parse", revision));
  addModules(parent, "main", modules.join(""), { m: m!, s: s! });
  await using server = serveGit(fixture.remotes, { v0: true });
  for (const full of [false, true]) {
    const { path, warnings } = await cloned(fixture, request(`${server.url}/parent.git`, { full }));
    assertEquals(warnings, []);
    assertEquals(Deno.readTextFileSync(join(path, "m/m.txt")), "one");
    assertEquals(Deno.readTextFileSync(join(path, "s/m.txt")), "three");
  }
});

Deno.test("clone warns its caller of a submodule that it leaves out, without secrets", async () => {
  await using fixture = await gitFixture();
  const parent = makeRemote(join(fixture.remotes, "parent.git"), [
    { branch: "main", subject: "first", files: { "a.txt": "a" } },
  ]);
  const commit = git(parent, "rev-parse", "main");
  addSubmodule(parent, { branch: "main", name: "m", at: "m", url: "../gone.git", commit });
  await using server = serveGit(fixture.remotes);
  const url = `${server.url}/parent.git`.replace("//", "//jane:s3cret-word@");
  const { path, warnings } = await cloned(fixture, request(url));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "a");
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, 'Submodule "m" was not updated: git submodule: ');
  assert(!warnings[0]!.includes("s3cret-word"), warnings[0]);
});
