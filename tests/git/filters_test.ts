/** Files that go through filters, none of which the daemon runs: Git LFS, git-crypt and others. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { addCommits, fileUrl, git, gitWith, makeRemote } from "../fixtures/git_repos.ts";
import { has } from "../fixtures/tools.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "./fixture.ts";

const hasLfs = has("git-lfs");

/** A filter that stores text with its letters changed, as git-crypt stores it encrypted. */
const ROT = "tr a-z n-za-m";

interface Place {
  tree: Tree;
  path: string;
  remote: string;
}

/** How attributes come to name the filter. */
type Attributes = ".gitattributes" | "d/.gitattributes" | ".git/info/attributes" | "macro";

/** A checkout with `d/a.bin` and `d/b.bin`, whose content a filter made. */
async function filtered(fixture: GitFixture, attributes: Attributes): Promise<Place> {
  const pattern = attributes === "d/.gitattributes" ? "*.bin" : "d/*.bin";
  const line = attributes === "macro"
    ? `[attr]secret filter=rot -diff\n${pattern} secret\n`
    : `${pattern} filter=rot\n`;
  const committed = attributes === "macro" ? ".gitattributes" : attributes;
  const remote = makeRemote(join(fixture.remotes, `${crypto.randomUUID()}.git`), [{
    branch: "main",
    subject: "first",
    files: {
      "plain.txt": "plain\n",
      "d/a.bin": "frperg\n",
      "d/b.bin": "frperg gbb\n",
      ...(committed === ".git/info/attributes" ? {} : { [committed]: line }),
    },
  }]);
  const { tree, path } = await cloned(fixture, request(fileUrl(remote)), "repo");
  git(path, "config", "filter.rot.clean", ROT);
  git(path, "config", "filter.rot.smudge", ROT);
  git(path, "config", "filter.rot.required", "true");
  if (committed === ".git/info/attributes") {
    Deno.mkdirSync(join(path, ".git/info"), { recursive: true });
    Deno.writeTextFileSync(join(path, committed), line);
  }
  for (const name of ["d/a.bin", "d/b.bin"]) Deno.removeSync(join(path, name));
  git(path, "checkout", "--", ".");
  assertEquals(read(path, "d/a.bin"), "secret\n");
  settle(path, ["d/a.bin", "d/b.bin"]);
  return { tree, path, remote };
}

/** Has the index know the files as older than itself, as any checkout has that was not made just now. */
function settle(path: string, names: readonly string[]): void {
  const past = new Date(Date.now() - 60_000);
  for (const name of names) Deno.utimeSync(join(path, name), past, past);
  git(path, "update-index", "--refresh");
  assertEquals(git(path, "status", "--porcelain"), "");
}

/** Makes the checkout what a restore on another node leaves: other inodes, the same times. */
function restore(fixture: GitFixture, path: string): void {
  run("cp", "-a", path, `${path}.new`);
  Deno.removeSync(path, { recursive: true });
  Deno.renameSync(`${path}.new`, path);
  if (isRoot) run("chown", "-R", `${fixture.owner.uid}:${fixture.owner.gid}`, path);
}

function run(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

function read(path: string, name: string): string {
  return Deno.readTextFileSync(join(path, name));
}

async function update(fixture: GitFixture, { tree, remote }: Place): Promise<string[]> {
  const signal = new AbortController().signal;
  const warnings: string[] = [];
  const place = { tree, location: "repo", signal };
  const onWarning = (warning: string) => warnings.push(warning);
  await fixture.git.update(request(fileUrl(remote)), { ...place, onWarning });
  return warnings;
}

/** Bytes of objects whose content is one of the plain texts of filtered files. */
function plainBlobs(path: string): string[] {
  const hash = (text: string) => gitWith(path, ["hash-object", "--stdin"], { input: text }).trim();
  return ["secret\n", "secret too\n"].filter((text) => {
    try {
      git(path, "cat-file", "-e", hash(text));
      return true;
    } catch {
      return false;
    }
  });
}

for (
  const attributes of [
    ".gitattributes",
    "d/.gitattributes",
    ".git/info/attributes",
    "macro",
  ] as const
) {
  Deno.test(`files with a filter by ${attributes} are unchanged after a restore, and left alone`, async (t) => {
    await using fixture = await gitFixture();
    const place = await filtered(fixture, attributes);
    restore(fixture, place.path);
    await t.step("status is clean", async () => {
      const status = await fixture.git.status(place.tree, "repo");
      assertEquals(status?.uncommittedFiles, []);
      assertEquals(status?.totalUncommittedFiles, 0);
    });
    await t.step("update of other files does not touch them", async () => {
      addCommits(place.remote, [{ branch: "main", subject: "2", files: { "plain.txt": "2\n" } }]);
      assertEquals(await update(fixture, place), []);
      assertEquals(read(place.path, "plain.txt"), "2\n");
      assertEquals(read(place.path, "d/a.bin"), "secret\n");
      assertEquals(plainBlobs(place.path), []);
      assertEquals((await fixture.git.status(place.tree, "repo"))?.uncommittedFiles, []);
    });
    await t.step("update of one of them leaves the other", async () => {
      addCommits(place.remote, [{ branch: "main", subject: "3", files: { "d/b.bin": "arj\n" } }]);
      assertEquals(await update(fixture, place), []);
      assertEquals(read(place.path, "d/a.bin"), "secret\n");
      assertEquals(read(place.path, "d/b.bin"), "arj\n");
      assertEquals(plainBlobs(place.path), []);
    });
  });
}

Deno.test("an edited file with a filter is a change, and is set aside when the target has another", async () => {
  await using fixture = await gitFixture();
  const place = await filtered(fixture, ".gitattributes");
  Deno.writeTextFileSync(join(place.path, "d/a.bin"), "mine!!\n");
  restore(fixture, place.path);
  assertEquals((await fixture.git.status(place.tree, "repo"))?.uncommittedFiles, ["d/a.bin"]);
  addCommits(place.remote, [{ branch: "main", subject: "2", files: { "plain.txt": "2\n" } }]);
  await update(fixture, place);
  assertEquals(read(place.path, "d/a.bin"), "mine!!\n");
  addCommits(place.remote, [{ branch: "main", subject: "3", files: { "d/a.bin": "arj\n" } }]);
  const [warning] = await update(fixture, place);
  assertStringIncludes(warning!, '"d/a.bin"');
  assertEquals(read(place.path, "d/a.bin"), "arj\n");
  const folder = /they are in (\S+): /.exec(warning!)![1]!.replace("repo/", "");
  assertEquals(read(place.path, `${folder}/d/a.bin`), "mine!!\n");
  assertEquals(git(place.path, "stash", "list"), "");
});

Deno.test("a filtered file as young as the index is taken for changed, not for lost", async () => {
  await using fixture = await gitFixture();
  const place = await filtered(fixture, ".gitattributes");
  const index = join(place.path, ".git/index");
  const { mtime } = Deno.statSync(join(place.path, "d/a.bin"));
  Deno.utimeSync(index, mtime!, mtime!);
  restore(fixture, place.path);
  const status = await fixture.git.status(place.tree, "repo");
  assertEquals(status?.uncommittedFiles, ["d/a.bin", "d/b.bin"]);
});

/** A checkout with real LFS content in `a.bin` and `b.bin`, and the pointers in Git. */
async function lfs(fixture: GitFixture): Promise<Place & { contents: Record<string, Uint8Array> }> {
  const contents = Object.fromEntries(["a.bin", "b.bin"].map((name) => {
    return [name, crypto.getRandomValues(new Uint8Array(50_000))];
  }));
  const work = join(fixture.remotes, crypto.randomUUID());
  Deno.mkdirSync(work);
  git(work, "init", "--quiet", "--initial-branch=main");
  git(work, "lfs", "install", "--local");
  git(work, "lfs", "track", "*.bin");
  for (const [name, bytes] of Object.entries(contents)) {
    Deno.writeFileSync(join(work, name), bytes);
  }
  Deno.writeTextFileSync(join(work, "plain.txt"), "plain\n");
  git(work, "add", "--all");
  git(work, "commit", "--quiet", "-m", "first");
  const remote = join(fixture.remotes, `${crypto.randomUUID()}.git`);
  git(fixture.remotes, "clone", "--quiet", "--bare", work, remote);
  const { tree, path } = await cloned(fixture, request(fileUrl(remote)), "repo");
  git(path, "lfs", "install", "--local");
  Deno.mkdirSync(join(path, ".git/lfs"), { recursive: true });
  run("cp", "-a", join(work, ".git/lfs/objects"), join(path, ".git/lfs"));
  git(path, "lfs", "checkout");
  for (const [name, bytes] of Object.entries(contents)) {
    assertEquals(Deno.readFileSync(join(path, name)), bytes);
  }
  assertEquals(git(path, "status", "--porcelain"), "");
  return { tree, path, remote, contents };
}

Deno.test({
  name: "a clean LFS checkout is clean after a restore, whatever became of its times",
  ignore: !hasLfs,
  async fn() {
    await using fixture = await gitFixture();
    const { tree, path, contents } = await lfs(fixture);
    run("touch", join(path, "a.bin"), join(path, "b.bin"));
    restore(fixture, path);
    assertEquals((await fixture.git.status(tree, "repo"))?.uncommittedFiles, []);
    const edited = contents["a.bin"]!.slice();
    edited[7]! ^= 1;
    Deno.writeFileSync(join(path, "a.bin"), edited);
    assertEquals((await fixture.git.status(tree, "repo"))?.uncommittedFiles, ["a.bin"]);
  },
});

Deno.test({
  name: "a fresh clone in the place of an LFS checkout leaves unchanged content alone",
  ignore: !hasLfs,
  async fn() {
    await using fixture = await gitFixture();
    const { tree, path, remote, contents } = await lfs(fixture);
    restore(fixture, path);
    Deno.removeSync(join(path, ".git/objects"), { recursive: true });
    addCommits(remote, [{ branch: "main", subject: "2", files: { "plain.txt": "2\n" } }]);
    const signal = new AbortController().signal;
    await fixture.git.replace(
      request(fileUrl(remote)),
      { tree, location: "repo", signal },
      () => {},
    );
    assertEquals(Deno.readFileSync(join(path, "a.bin")), contents["a.bin"]);
    assertEquals(read(path, "plain.txt"), "2\n");
    assertEquals((await fixture.git.status(tree, "repo"))?.uncommittedFiles, []);
  },
});
