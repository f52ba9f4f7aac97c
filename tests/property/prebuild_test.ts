/** Whatever was done in a checkout, an update or a fresh clone in its place loses none of it. */

import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import fc from "fast-check";
import { addCommits, fileUrl, git, gitWith, linkTo, makeRemote } from "../fixtures/git_repos.ts";
import { runs } from "../fixtures/soak.ts";
import { cloned, type GitFixture, gitFixture, isRoot, request } from "../git/fixture.ts";

/** Few names and folders, so that much meets: `b` is a file here and a folder there. */
const PATHS = ["a", "b", "c", "d/a", "d/b", "b/x", "b/y", "d/e/f", "e", "ä\nö", '"q"', "x.ign"];

const content = fc.constantFrom(
  "1\n2\n3\n4\n5\n6\n7\n",
  "ONE\n2\n3\n4\n5\n6\n7\n",
  "other\n",
  "\0",
);
const entry = fc.oneof(
  { weight: 5, arbitrary: content },
  { weight: 1, arbitrary: fc.constantFrom("a", "nowhere").map(linkTo) },
);
const tree = fc.array(fc.record({ path: fc.constantFrom(...PATHS), entry }), { maxLength: 9 });

const edit = fc.record({
  path: fc.constantFrom(...PATHS, "new", "d/new", "new/x"),
  how: fc.constantFrom(
    "write" as const,
    "write" as const,
    "append" as const,
    "link" as const,
    "folder" as const,
    "remove" as const,
    "stage" as const,
    "stage" as const,
    "intend" as const,
    "untrack" as const,
    "assume" as const,
    "skip" as const,
    "execute" as const,
  ),
});

const scenario = fc.record({
  base: tree,
  target: tree,
  edits: fc.array(edit, { minLength: 1, maxLength: 8 }),
  full: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

Deno.test("an update keeps every byte of local work", async () => {
  await using fixture = await gitFixture();
  await fc.assert(
    fc.asyncProperty(scenario, (scenario) => keepsWork(fixture, scenario, "update")),
    {
      numRuns: runs(6, 400),
    },
  );
});

Deno.test("a fresh clone in a checkout's place keeps every byte of local work", async () => {
  await using fixture = await gitFixture();
  await fc.assert(
    fc.asyncProperty(scenario, (scenario) => keepsWork(fixture, scenario, "replace")),
    {
      numRuns: runs(4, 200),
    },
  );
});

async function keepsWork(
  fixture: GitFixture,
  scenario: Scenario,
  how: "update" | "replace",
): Promise<void> {
  try {
    await tryOut(fixture, scenario, how);
  } finally {
    for (const { name } of Deno.readDirSync(fixture.staging)) {
      await fixture.content.remove({ area: "staging", name });
    }
  }
}

async function tryOut(
  fixture: GitFixture,
  { base, target, edits, full }: Scenario,
  how: "update" | "replace",
): Promise<void> {
  const id = crypto.randomUUID();
  const remote = makeRemote(join(fixture.remotes, `${id}.git`), [
    {
      branch: "main",
      subject: "base",
      files: quoted([[".gitignore", "*.ign\n"], ...Object.entries(treeOf(base))]),
    },
  ]);
  const what = request(fileUrl(remote), { full });
  const { tree, path } = await cloned(fixture, what, "repo");
  const before = listed(path);
  const work = edits.flatMap((one, n) => apply(path, one, `work ${n} of ${id}`));
  const edited = listed(path);
  // What the user overwrote or removed is not ours to keep.
  const there = reachable(path);
  const kept = work.filter((token) => there.includes(token));
  if (isRoot) run("chown", ["-R", `${fixture.owner.uid}:${fixture.owner.gid}`, path]);
  moveOn(remote, treeOf(target));
  const from = git(path, "rev-parse", "HEAD");

  const place = { tree, location: "repo", signal: new AbortController().signal };
  const warnings: string[] = [];
  const onWarning = (warning: string) => warnings.push(warning);
  if (how === "update") await fixture.git.update(what, { ...place, onWarning });
  else await fixture.git.replace(what, { ...place, onWarning }, () => {});

  assertEquals(git(path, "rev-parse", "HEAD"), git(remote, "rev-parse", "main"));
  const found = reachable(path);
  for (const token of kept) {
    assert(found.includes(token), `${token} is lost; warned: ${warnings.join("; ")}`);
  }
  const changed = how === "update" ? changedPaths(path, from) : undefined;
  const after = listed(path);
  for (const [name, was] of edited) {
    // What the target leaves alone stays as it is.
    const isLeftAlone = changed !== undefined && !changed.some((one) => meet(one, name));
    if (isLeftAlone) assertEquals(after.get(name), was, `${JSON.stringify(name)} was touched`);
    // What was as it was checked out follows the target.
    const isUntouched = before.get(name) === was &&
      ![...edited.keys()].some((one) => one !== name && meet(one, name));
    const wanted = treeOf(target)[name];
    if (isUntouched && name !== ".gitignore" && wanted === undefined && changed?.includes(name)) {
      assertEquals(after.get(name), undefined, `${JSON.stringify(name)} was not removed`);
    }
  }
  assertEquals([...Deno.readDirSync(fixture.staging)].filter(({ name }) => name !== tree.name), []);
}

/** Files of a tree by path; the last of those that cannot be together wins. */
function treeOf(entries: readonly { path: string; entry: string }[]): Record<string, string> {
  const files = new Map<string, string>();
  for (const { path, entry } of entries) {
    for (const name of files.keys()) if (meet(name, path)) files.delete(name);
    files.set(path, entry);
  }
  return Object.fromEntries(files);
}

/** Whether two paths are the same or one is within the other. */
function meet(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** Replaces all files of the remote's branch. */
function moveOn(remote: string, files: Record<string, string>): void {
  const old = git(remote, "ls-tree", "-r", "-z", "--name-only", "main").split("\0");
  const gone = old.filter((name) => name !== "" && name !== ".gitignore");
  addCommits(remote, [
    { branch: "main", subject: "cleared", files: quoted(gone.map((name) => [name, null])) },
    { branch: "main", subject: "target", files: quoted(Object.entries(files)) },
  ]);
}

/** As fast-import has paths with odd characters. */
function quoted(files: [string, string | null][]): Record<string, string | null> {
  return Object.fromEntries(
    files.map(([name, body]) => [/["\n]/.test(name) ? JSON.stringify(name) : name, body]),
  );
}

/** Does what a user does; what is not possible is left. @returns what must not be lost */
function apply(
  path: string,
  { path: name, how }: typeof edit extends fc.Arbitrary<infer T> ? T : never,
  token: string,
): string[] {
  const at = join(path, name);
  const tried = (work: () => void): string[] => {
    try {
      work();
      return [token];
    } catch {
      return [];
    }
  };
  switch (how) {
    case "write":
      return tried(() => {
        Deno.mkdirSync(dirname(at), { recursive: true });
        if (kindOf(at) === "link") Deno.removeSync(at);
        Deno.writeTextFileSync(at, `${token}\n`);
      });
    case "append":
      return kindOf(at) === "file"
        ? tried(() => Deno.writeTextFileSync(at, `${token}\n`, { append: true }))
        : [];
    case "link":
      return tried(() => {
        remove(at);
        Deno.symlinkSync(token, at);
      });
    case "folder":
      return tried(() => {
        remove(at);
        Deno.mkdirSync(at, { recursive: true });
        Deno.writeTextFileSync(join(at, "inside"), `${token}\n`);
      });
    case "remove":
      remove(at);
      return [];
    case "stage":
      return stage(path, name, token);
    case "intend":
      tried(() => git(path, "add", "--force", "--intent-to-add", "--", name));
      return [];
    case "untrack":
      tried(() => git(path, "rm", "-r", "--cached", "--force", "--", name));
      return [];
    case "assume":
    case "skip":
      tried(() =>
        git(path, "update-index", how === "skip" ? "--skip-worktree" : "--assume-unchanged", name)
      );
      return kindOf(at) === "file"
        ? tried(() => Deno.writeTextFileSync(at, `${token}\n`, { append: true }))
        : [];
    case "execute":
      if (kindOf(at) === "file") Deno.chmodSync(at, 0o755);
      return [];
  }
}

/** Stages a file that is then overwritten, or gone. */
function stage(path: string, name: string, token: string): string[] {
  const at = join(path, name);
  if (kindOf(at) !== "file") return [];
  const was = Deno.readTextFileSync(at);
  try {
    Deno.writeTextFileSync(at, `${token}\n`, { append: true });
    git(path, "add", "--force", "--", name);
    return git(path, "ls-files", "--stage", "--", name) === "" ? [] : [token];
  } catch {
    return [];
  } finally {
    Deno.writeTextFileSync(at, was);
  }
}

/** Removes what is there; what a user throws away need not be kept. */
function remove(at: string): void {
  if (kindOf(at) !== undefined) Deno.removeSync(at, { recursive: true });
}

function kindOf(at: string): "file" | "folder" | "link" | undefined {
  try {
    const { isFile, isDirectory } = Deno.lstatSync(at);
    return isFile ? "file" : isDirectory ? "folder" : "link";
  } catch {
    return undefined;
  }
}

/** Files and links of the working tree by path. */
function listed(path: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (folder: string) => {
    for (const { name, isDirectory, isSymlink } of Deno.readDirSync(join(path, folder))) {
      const at = folder === "" ? name : `${folder}/${name}`;
      if (at === ".git") continue;
      if (isDirectory) visit(at);
      else {
        const full = join(path, at);
        found.set(at, isSymlink ? linkTo(Deno.readLinkSync(full)) : Deno.readTextFileSync(full));
      }
    }
  };
  visit("");
  return found;
}

/** What is in the working tree, what was put aside, the index and stashes. */
function reachable(path: string): string {
  const files = run("sh", [
    "-c",
    'find "$1" -type l -printf "%l\\n" -o -type f -not -path "*/objects/*" -exec cat {} +',
    "sh",
    path,
  ]);
  return [files, ...repositories(path).map(indexed)].join("\n");
}

/** The repository, and those that were put aside in it. */
function repositories(path: string): string[] {
  return run("sh", ["-c", 'find "$1" -type d -name objects -printf "%h\\n"', "sh", path])
    .split("\n").filter((folder) => folder !== "");
}

function indexed(folder: string): string {
  const here = (...args: string[]) => {
    try {
      return gitWith(folder, [`--git-dir=${folder}`, ...args]);
    } catch {
      return "";
    }
  };
  const stashes = here("rev-list", "--walk-reflogs", "refs/stash").split("\n");
  const commits = stashes.filter((hash) => hash !== "").flatMap((hash) => [hash, `${hash}^2`]);
  const lines = [
    here("ls-files", "--stage"),
    ...commits.map((commit) => here("ls-tree", "-r", commit)),
  ].join("\n");
  const blobs = new Set(lines.match(/\b[0-9a-f]{40}\b/g) ?? []);
  return [...blobs].map((blob) => here("cat-file", "blob", blob)).join("\n");
}

function changedPaths(path: string, from: string): string[] {
  return gitWith(path, ["diff-tree", "-r", "-z", "--no-renames", "--name-only", from, "HEAD"])
    .split("\0").filter((name) => name !== "");
}

function run(program: string, args: string[]): string {
  const { stdout } = new Deno.Command(program, { args }).outputSync();
  return new TextDecoder().decode(stdout);
}
