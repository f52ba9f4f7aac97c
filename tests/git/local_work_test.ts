/** What becomes of local work where the target has something else in its place. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  addCommits,
  addSubmodule,
  fileUrl,
  git,
  linkTo,
  makeRemote,
} from "../fixtures/git_repos.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "./fixture.ts";

type Files = Record<string, string | null>;

interface Place {
  tree: Tree;
  path: string;
  remote: string;
}

async function checkout(fixture: GitFixture, base: Files): Promise<Place> {
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), [
    { branch: "main", subject: "base", files: { keep: "keep\n", ...base } },
  ]);
  return { ...await cloned(fixture, request(fileUrl(remote)), "repo"), remote };
}

/** Updates the checkout to a commit with those changes. @returns what it warned of */
async function update(fixture: GitFixture, place: Place, target: Files): Promise<string[]> {
  addCommits(place.remote, [{ branch: "main", subject: "target", files: target }]);
  give(fixture, place.path);
  const warnings: string[] = [];
  await fixture.git.update(request(fileUrl(place.remote)), {
    tree: place.tree,
    location: "repo",
    signal: new AbortController().signal,
    onWarning: (warning) => warnings.push(warning),
  });
  return warnings;
}

function give({ owner }: GitFixture, path: string): void {
  if (isRoot) sh(path, `chown -hR ${owner.uid}:${owner.gid} .`);
}

function sh(cwd: string, script: string): string {
  const { success, stdout, stderr } = new Deno.Command("sh", { args: ["-ec", script], cwd })
    .outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Files and links of the checkout with their content; what was set aside under `aside/`. */
function contentOf(path: string): Record<string, string> {
  const list = 'find . -not -path "./.git/*" -o -path "./.git/wsdaemon-put-aside/*"';
  const found = sh(path, `${list} | sort`).split("\n").slice(1, -1);
  return Object.fromEntries(found.flatMap((name) => {
    const at = join(path, name);
    const { isDirectory, isSymlink } = Deno.lstatSync(at);
    if (isDirectory) return [];
    const shown = name.slice(2).replace(/^\.git\/wsdaemon-put-aside\/[^/]+/, "aside");
    return [[shown, isSymlink ? linkTo(Deno.readLinkSync(at)) : Deno.readTextFileSync(at)]];
  }));
}

interface Case {
  name: string;
  base: Files;
  /** A shell script in the checkout. */
  local: string;
  target: Files;
  /** What the checkout holds then, besides `keep`. */
  wanted: Record<string, string>;
  /** Content of paths in `stash@{0}`, or in its index as `^2:path`. */
  stashed?: Record<string, string>;
  /** Paths that a warning names. */
  told?: string[];
}

const FOLDER = "rm node_modules; mkdir node_modules; echo mine > node_modules/m";

const CASES: Case[] = [
  {
    name: "a folder in the place of a tracked link that the target leaves alone stays",
    base: { node_modules: linkTo("../shared") },
    local: FOLDER,
    target: { other: "other\n" },
    wanted: { "node_modules/m": "mine\n", other: "other\n" },
  },
  {
    name: "a folder in the place of a tracked link that the target changes is set aside",
    base: { node_modules: linkTo("../shared") },
    local: FOLDER,
    target: { node_modules: linkTo("../other") },
    wanted: { node_modules: linkTo("../other"), "aside/node_modules/m": "mine\n" },
    told: ["node_modules"],
  },
  {
    name: "a folder in the place of a tracked file that the target removes stays",
    base: { node_modules: "was a file\n" },
    local: FOLDER,
    target: { node_modules: null },
    wanted: { "node_modules/m": "mine\n" },
  },
  {
    name: "a folder in the place of a tracked file joins the target's folder",
    base: { node_modules: "was a file\n" },
    local: FOLDER,
    target: { node_modules: null, "node_modules/t": "theirs\n" },
    wanted: { "node_modules/m": "mine\n", "node_modules/t": "theirs\n" },
  },
  {
    name: "untracked files beside tracked ones of a folder that becomes a file are set aside",
    base: { "d/a": "a\n" },
    local: "echo mine > d/m",
    target: { "d/a": null, d: "file\n" },
    wanted: { d: "file\n", "aside/d/m": "mine\n" },
    told: ["d"],
  },
  {
    name: "an ignored file where the target has a folder is set aside",
    base: { ".gitignore": "out\n" },
    local: "echo built > out",
    target: { ".gitignore": "", "out/x": "x\n" },
    wanted: { ".gitignore": "", "out/x": "x\n", "aside/out": "built\n" },
    told: ["out"],
  },
  {
    name: "a link in the place of a tracked folder is set aside when the target changes the folder",
    base: { "d/a": "a\n" },
    local: "rm -r d; ln -s /elsewhere d",
    target: { "d/a": "changed\n" },
    wanted: { "d/a": "changed\n", "aside/d": linkTo("/elsewhere") },
    told: ["d"],
  },
  {
    name: "an untracked file that the target has just so is no conflict",
    base: {},
    local: "printf 'same\\n' > new",
    target: { new: "same\n" },
    wanted: { new: "same\n" },
  },
  {
    name: "an untracked file that the target has otherwise is set aside",
    base: {},
    local: "echo mine > new",
    target: { new: "theirs\n" },
    wanted: { new: "theirs\n", "aside/new": "mine\n" },
    told: ["new"],
  },
  {
    name: "a changed file that the target removes stays as an untracked one",
    base: { a: "a\n" },
    local: "echo mine >> a",
    target: { a: null },
    wanted: { a: "a\nmine\n" },
  },
  {
    name: "a removed file that the target changes comes back",
    base: { a: "a\n" },
    local: "rm a",
    target: { a: "changed\n" },
    wanted: { a: "changed\n" },
  },
  {
    name: "what was staged and is nowhere else is stashed",
    base: { a: "a\n" },
    local: "echo staged > a; git -c safe.directory=* add a; echo a > a",
    target: { a: "changed\n" },
    wanted: { a: "changed\n" },
    stashed: { "^2:a": "staged" },
    told: ["a"],
  },
  {
    name: "a link that was changed on both sides is stashed",
    base: { l: linkTo("one") },
    local: "ln -sf mine l",
    target: { l: linkTo("theirs") },
    wanted: { l: linkTo("theirs") },
    stashed: { ":l": "mine" },
    told: ["l"],
  },
  {
    name: "a file that was made executable is so in the target's content",
    base: { a: "a\n" },
    local: "chmod +x a",
    target: { a: "changed\n" },
    wanted: { a: "changed\n" },
  },
];

for (const one of CASES) {
  Deno.test(`update: ${one.name}`, async () => {
    await using fixture = await gitFixture();
    const place = await checkout(fixture, one.base);
    sh(place.path, one.local);
    const warnings = await update(fixture, place, one.target);
    const content = Object.entries(contentOf(place.path)).map(([name, text]) => {
      return [name.replace("aside/files/", "aside/"), text];
    });
    assertEquals(Object.fromEntries(content), { keep: "keep\n", ...one.wanted });
    for (const [path, text] of Object.entries(one.stashed ?? {})) {
      assertEquals(git(place.path, "cat-file", "blob", `stash@{0}${path}`), text);
    }
    assertEquals(warnings.length, one.told === undefined ? 0 : 1, warnings.join("; "));
    for (const path of one.told ?? []) assertStringIncludes(warnings[0]!, JSON.stringify(path));
    assertEquals(git(place.path, "log", "-1", "--format=%s"), "target");
    git(place.path, "fsck", "--connectivity-only");
  });
}

Deno.test("a file that was made executable keeps that", async () => {
  await using fixture = await gitFixture();
  const place = await checkout(fixture, { a: "a\n" });
  Deno.chmodSync(join(place.path, "a"), 0o755);
  await update(fixture, place, { a: "changed\n" });
  assertEquals(Deno.statSync(join(place.path, "a")).mode! & 0o777, 0o755);
});

Deno.test({
  name: "an update that fails halfway leaves the working tree and the index as they were",
  ignore: !isRoot,
  async fn() {
    await using fixture = await gitFixture();
    const place = await checkout(fixture, { a: "a\n", "d/x": "x\n", z: "z\n" });
    sh(place.path, "echo mine >> a; echo new > n; git -c safe.directory=* add n; echo z > z2");
    addCommits(place.remote, [{
      branch: "main",
      subject: "target",
      files: { a: "changed\n", "d/x": "changed\n", z: null, "z2/y": "y\n", "0": "new\n" },
    }]);
    give(fixture, place.path);
    // Its files can be moved by the daemon, but git cannot write there.
    sh(place.path, "chown root:root d");
    const before = contentOf(place.path);
    const staged = git(place.path, "diff", "--cached", "--raw");
    await assertRejects(
      () =>
        fixture.git.update(request(fileUrl(place.remote)), {
          tree: place.tree,
          location: "repo",
          signal: new AbortController().signal,
        }),
      DaemonError,
      "git read-tree",
    );
    assertEquals(contentOf(place.path), before);
    assertEquals(git(place.path, "diff", "--cached", "--raw"), staged);
    assertEquals(git(place.path, "log", "-1", "--format=%s"), "base");
  },
});

Deno.test("a fresh clone has its own submodules; what was in their place is set aside", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), [
    { branch: "main", subject: "child", files: { "c.txt": "c\n" } },
  ]);
  const remote = makeRemote(join(fixture.remotes, "parent.git"), [
    { branch: "main", subject: "base", files: { a: "a\n" } },
  ]);
  const commit = git(child, "rev-parse", "main");
  addSubmodule(remote, { branch: "main", name: "m", at: "m", url: "../child.git", commit });
  const what = request(fileUrl(remote));
  const { tree, path } = await cloned(fixture, what, "repo");
  Deno.writeTextFileSync(join(path, "m/mine"), "mine\n");
  give(fixture, path);
  Deno.removeSync(join(path, ".git/HEAD"));
  const place = { tree, location: "repo", signal: new AbortController().signal };
  await fixture.git.replace(what, place, () => {});
  const content = contentOf(path);
  assertEquals(content["m/c.txt"], "c\n");
  assertEquals(content["aside/submodules/m/mine"], "mine\n");
  assertEquals(git(path, "status", "--porcelain"), "");
  assertEquals(git(join(path, "m"), "log", "-1", "--format=%s"), "child");
});
