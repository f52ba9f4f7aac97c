/** Remotes as people have them: each is cloned right, or refused in words. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import type { CheckoutRequest } from "../../src/git/checkout_request.ts";
import {
  addCommits,
  addModules,
  addSubmodule,
  fileUrl,
  git,
  gitWith,
  makeRemote,
  serveGit,
} from "../fixtures/git_repos.ts";
import { cloned, gitFixture, request } from "./fixture.ts";

const COMMITS = [
  { branch: "main", subject: "first", files: { "a.txt": "one\n" } },
  { branch: "main", subject: "second", files: { "a.txt": "two\n" } },
];

interface Case {
  name: string;
  /** Makes the remote at a path. @returns its URL, where it is no file URL of that path */
  make(path: string): string | void;
  request?: Partial<Pick<CheckoutRequest, "mode" | "target">>;
  /** What a full and a shallow clone have. */
  expect?: { branch: string; files: Record<string, string> };
  /** What the refusal says. */
  refusal?: string;
}

const MAIN = { branch: "main", files: { "a.txt": "two\n" } };

const CASES: readonly Case[] = [
  {
    name: "a default branch with slashes, dots and letters of other scripts",
    make: (path) => {
      makeRemote(path, [{ branch: "release/größe-1.x/日本", subject: "s", files: { a: "a" } }]);
    },
    expect: { branch: "release/größe-1.x/日本", files: { a: "a" } },
  },
  {
    name: "a path with spaces, percent signs and letters of other scripts",
    make: (path) => {
      Deno.renameSync(makeRemote(path, COMMITS), `${path} 100% größe`);
      return `file://${encodeURI(`${path} 100% größe`)}`;
    },
    expect: MAIN,
  },
  {
    name: "files with spaces, line ends, quotes and letters of other scripts",
    make: (path) => {
      makeRemote(path, COMMITS);
      const blob = gitWith(path, ["hash-object", "-w", "--stdin"], { input: "x" }).trim();
      const input = ['a b"c', "li\nne", "größe/日本", "-x", ".gitignored"]
        .map((name) => `100644 blob ${blob}\t${name.replace("/", "-")}\0`).join("");
      const tree = gitWith(path, ["mktree", "-z"], { input }).trim();
      git(path, "update-ref", "refs/heads/main", git(path, "commit-tree", "-m", "s", tree));
    },
    expect: {
      branch: "main",
      files: { 'a b"c': "x", "li\nne": "x", "größe-日本": "x", "-x": "x", ".gitignored": "x" },
    },
  },
  {
    name: "tags and no branch",
    make: (path) => {
      makeRemote(path, COMMITS);
      git(path, "tag", "v1", "main");
      git(path, "update-ref", "-d", "refs/heads/main");
    },
    refusal: "(there is refs/tags/v1)",
  },
  {
    name: "tags and no branch, of which one is the target",
    make: (path) => {
      makeRemote(path, COMMITS);
      git(path, "tag", "v1", "main~1");
      git(path, "update-ref", "-d", "refs/heads/main");
    },
    request: { mode: "REMOTE_BRANCH", target: "v1" },
    expect: { branch: "", files: { "a.txt": "one\n" } },
  },
  {
    name: "a HEAD that is a branch's commit but no branch",
    make: (path) => {
      makeRemote(path, COMMITS);
      git(path, "update-ref", "--no-deref", "HEAD", git(path, "rev-parse", "main"));
    },
    expect: MAIN,
  },
  {
    name: "a shallow clone of another one",
    make: (path) => {
      makeRemote(`${path}.whole`, COMMITS);
      Deno.mkdirSync(path);
      git(path, "clone", "--quiet", "--bare", "--depth", "1", fileUrl(`${path}.whole`), ".");
    },
    expect: MAIN,
  },
  {
    name: "hashes of SHA-256, and a submodule of such",
    make: (path) => {
      for (const at of [`${path}.child`, path]) {
        Deno.mkdirSync(at);
        git(at, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main");
        addCommits(at, COMMITS);
      }
      const commit = git(`${path}.child`, "rev-parse", "main");
      const url = `../${path.split("/").at(-1)}.child`;
      addSubmodule(path, { branch: "main", name: "m", at: "m", url, commit });
    },
    expect: { branch: "main", files: { "a.txt": "two\n", "m/a.txt": "two\n" } },
  },
  {
    name: "submodules below each other by relative URLs, and one by a name that is no path",
    make: (path) => {
      const name = path.split("/").at(-1);
      const leaf = makeRemote(`${path}.leaf`, COMMITS);
      const child = makeRemote(`${path}.child`, COMMITS);
      makeRemote(path, COMMITS);
      addSubmodule(child, {
        branch: "main",
        name: "leaf",
        at: "deep er/leaf",
        url: `../${name}.leaf`,
        commit: git(leaf, "rev-parse", "main~1"),
      });
      const commit = git(child, "rev-parse", "main");
      const modules = `[submodule "the child"]\n\tpath = m\n\turl = ./../${name}.child\n` +
        `[submodule "missing"]\n\tpath = missing\n\turl = ../${name}.missing\n`;
      addModules(path, "main", modules, { m: commit, missing: commit });
    },
    expect: {
      branch: "main",
      files: { "a.txt": "two\n", "m/a.txt": "two\n", "m/deep er/leaf/a.txt": "one\n" },
    },
  },
  {
    name: "hundreds of branches and tags",
    make: (path) => {
      makeRemote(path, COMMITS);
      const commits = ["main", "main~1"].map((name) => git(path, "rev-parse", name));
      const refs = ["heads/b", "tags/t"].flatMap((names) =>
        Array.from({ length: 300 }, (_, n) => `refs/${names}/${n} ${commits[n % 2]}`)
      ).toSorted().map((line) => line.split(" ").reverse().join(" "));
      const head = "# pack-refs with: peeled fully-peeled sorted ";
      Deno.writeTextFileSync(join(path, "packed-refs"), `${[head, ...refs].join("\n")}\n`);
    },
    expect: MAIN,
  },
  {
    name: "nothing that is a repository",
    make: (path) => Deno.mkdirSync(path),
    refusal: "does not appear to be a git repository",
  },
];

for (const { name, make, request: changed, expect, refusal } of CASES) {
  Deno.test(`clone of a remote with ${name} ${refusal ? "is refused in words" : "comes whole"}`, async () => {
    await using fixture = await gitFixture();
    const path = join(fixture.remotes, "r.git");
    const url = make(path) ?? fileUrl(path);
    for (const full of [false, true]) {
      const what = request(url, { ...changed, full });
      if (refusal !== undefined) {
        const error = await assertRejects(() => cloned(fixture, what), DaemonError, refusal);
        assertEquals(error.code, "FAILED_PRECONDITION");
        continue;
      }
      assert(expect);
      const clone = await cloned(fixture, what);
      assertEquals(git(clone.path, "branch", "--show-current"), expect.branch);
      for (const [file, text] of Object.entries(expect.files)) {
        assertEquals(Deno.readTextFileSync(join(clone.path, file)), text, file);
      }
      assertEquals(git(clone.path, "status", "--porcelain", "--ignore-submodules=none"), "");
    }
  });
}

Deno.test("clone finds the branch of a server that does not say which one its HEAD is", async () => {
  await using fixture = await gitFixture();
  const remote = makeRemote(join(fixture.remotes, "r.git"), [
    ...COMMITS,
    { branch: "another", subject: "third", files: { b: "b" }, from: "main" },
  ]);
  git(remote, "update-ref", "refs/heads/a-twin", git(remote, "rev-parse", "main"));
  git(remote, "update-ref", "--no-deref", "HEAD", git(remote, "rev-parse", "main"));
  await using server = serveGit(fixture.remotes, { v0: true });
  const { path } = await cloned(fixture, request(`${server.url}/r.git`));
  assertEquals(git(path, "branch", "--show-current"), "main");
  assertEquals(git(path, "rev-parse", "--abbrev-ref", "main@{upstream}"), "origin/main");
});
