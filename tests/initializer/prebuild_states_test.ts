/** A prebuild never costs the workspace, whatever state its checkout was in when it was taken. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { GitSpec } from "../../src/initializer/specs.ts";
import { addCommits, fileUrl, git, gitWith, makeRemote } from "../fixtures/git_repos.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { ALICE, gitSpec, type InitializerFixture, initializerFixture, read } from "./fixture.ts";

const FIRST = [
  {
    branch: "main",
    subject: "first",
    files: {
      "a.txt": "1\n2\n3\n4\n5\n6\n7\n",
      "b.txt": "b\n",
      "d/in.txt": "in\n",
      "gone.txt": "g\n",
    },
  },
  { branch: "old", subject: "old", files: { "old.txt": "old\n" }, from: "main" },
];
const SECOND = [{
  branch: "main",
  subject: "second",
  files: { "a.txt": "1\n2\n3\n4\n5\n6\nseven\n", "d/in.txt": "in 2\n", "gone.txt": null },
}];

/** A checkout that a prebuild left, and what is to be right about it after the update. */
interface State {
  name: string;
  /** Brings the checkout into the state; the content is given to its owner afterwards. */
  make(path: string, remote: string): void;
  /** Changes the remote besides the second commit. */
  remote?(remote: string): void;
  spec?: Parameters<typeof gitSpec>[1];
  check?(path: string, logs: string): void;
  /** Whether the repository is expected to be cloned anew. */
  replaced?: boolean;
  /** Whether nothing says any more that a file which the target lacks was ever Git's. */
  unknown?: boolean;
  /** Whether the change of `b.txt` is of the state's own making. */
  stashed?: boolean;
  needsRoot?: boolean;
}

const write = Deno.writeTextFileSync;
const failing = (run: () => unknown) => {
  try {
    run();
  } catch {
    // That it fails is the state that is wanted.
  }
};
const sh = (cwd: string, script: string) => {
  const { success, stderr } = new Deno.Command("sh", { args: ["-ec", script], cwd }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
};

const STATES: State[] = [
  { name: "nothing special", make() {} },
  ...["blob:none", "tree:0"].map((filter): State => ({
    name: `a partial clone (${filter})`,
    make(path, remote) {
      git(remote, "config", "uploadpack.allowFilter", "true");
      git(path, "clone", "--quiet", "--no-checkout", `--filter=${filter}`, fileUrl(remote), "../p");
      sh(path, "rm -r .git; mv ../p/.git .git; rmdir ../p");
      git(path, "reset", "--quiet");
      write(join(path, "a.txt"), "one\n2\n3\n4\n5\n6\n7\n");
    },
    remote: (remote) =>
      addCommits(remote, [
        { branch: "topic", subject: "second", files: { "t.txt": "t\n" }, from: "main" },
      ]),
    spec: { targetMode: "REMOTE_BRANCH", cloneTarget: "topic", fullClone: true },
    check(path) {
      assertEquals(read(path, "t.txt"), "t\n");
      assertEquals(read(path, "a.txt"), "one\n2\n3\n4\n5\n6\nseven\n");
      assertEquals(git(path, "config", "remote.origin.promisor"), "true");
      assertEquals(git(path, "config", "remote.origin.partialclonefilter"), filter);
    },
  })),
  {
    name: "git add -N",
    make(path) {
      write(join(path, "new.txt"), "new\n");
      git(path, "add", "-N", "new.txt");
    },
    check: (path) => assertEquals(read(path, "new.txt"), "new\n"),
  },
  {
    name: "staged, and changed again",
    make(path) {
      write(join(path, "b.txt"), "staged\n");
      git(path, "add", "b.txt");
      write(join(path, "b.txt"), "mine in b, again\n");
    },
    check(path) {
      assertEquals(git(path, "show", ":b.txt"), "staged");
      assertEquals(read(path, "b.txt"), "mine in b, again\n");
    },
  },
  {
    name: "a moved tag that is followed",
    spec: { fullClone: true },
    make(path, remote) {
      git(remote, "tag", "v1", "main");
      git(path, "fetch", "--quiet", "--tags", "origin");
      git(path, "config", "remote.origin.tagOpt", "--tags");
    },
    remote: (remote) => void git(remote, "tag", "--force", "v1", "main"),
  },
  {
    name: "a ref that became a directory",
    make(path, remote) {
      git(remote, "branch", "topic", "main");
      git(path, "fetch", "--quiet", "origin", "topic:refs/remotes/origin/topic");
    },
    remote(remote) {
      git(remote, "branch", "-D", "topic");
      addCommits(remote, [{ branch: "topic/x", subject: "second", files: {}, from: "main" }]);
    },
    spec: { targetMode: "REMOTE_BRANCH", cloneTarget: "topic/x" },
  },
  {
    name: "a directory of refs that became a ref, in a whole clone",
    make(path, remote) {
      git(remote, "branch", "topic/x", "main");
      git(path, "fetch", "--quiet", "origin");
    },
    remote(remote) {
      git(remote, "branch", "-D", "topic/x");
      git(remote, "branch", "topic", "main");
    },
    spec: { fullClone: true },
  },
  {
    name: "a local branch in the way",
    make(path) {
      git(path, "checkout", "--quiet", "-b", "topic");
      git(path, "commit", "--quiet", "--allow-empty", "-m", "only here");
    },
    remote: (remote) =>
      addCommits(remote, [{ branch: "topic/x", subject: "second", files: {}, from: "main" }]),
    spec: { targetMode: "REMOTE_BRANCH", cloneTarget: "topic/x" },
    check(path, logs) {
      const branches = git(path, "for-each-ref", "--format=%(refname:short)", "refs/heads");
      const renamed = branches.split("\n").find((name) => name.endsWith("/topic"))!;
      assertEquals(git(path, "log", "-1", "--format=%s", renamed), "only here");
      assertStringIncludes(logs, renamed);
    },
  },
  {
    name: "commits of the target's branch that were not pushed",
    make: (path) => void git(path, "commit", "--quiet", "--allow-empty", "-m", "only here"),
    check(path, logs) {
      const ref = git(path, "for-each-ref", "--format=%(refname)", "refs/wsdaemon");
      assertEquals(git(path, "log", "-1", "--format=%s", ref), "only here");
      assertStringIncludes(logs, ref);
    },
  },
  {
    name: "a detached HEAD with a commit of its own",
    make(path) {
      git(path, "checkout", "--quiet", "--detach");
      git(path, "commit", "--quiet", "--allow-empty", "-m", "only here");
    },
    check(path) {
      const ref = git(path, "for-each-ref", "--format=%(refname)", "refs/wsdaemon");
      assertEquals(git(path, "log", "-1", "--format=%s", ref), "only here");
    },
  },
  { name: "no index", make: (path) => Deno.removeSync(join(path, ".git/index")) },
  {
    name: "an index without entries",
    make: (path) => void git(path, "read-tree", "--empty"),
  },
  {
    name: "an index that is no index",
    make: (path) => write(join(path, ".git/index"), "rubbish"),
    replaced: true,
  },
  {
    name: "a rebase in progress",
    make(path) {
      git(path, "checkout", "--quiet", "-b", "mine");
      write(join(path, "d/in.txt"), "mine\n");
      git(path, "commit", "--quiet", "--all", "-m", "mine");
      git(path, "checkout", "--quiet", "main");
      write(join(path, "d/in.txt"), "theirs\n");
      git(path, "commit", "--quiet", "--all", "-m", "theirs");
      git(path, "checkout", "--quiet", "mine");
      failing(() => git(path, "rebase", "main"));
      assertStringIncludes(git(path, "status", "--porcelain"), "UU d/in.txt");
    },
    check(path) {
      assertStringIncludes(git(path, "show", "stash@{0}:d/in.txt"), "<<<<<<<");
      assertEquals(git(path, "log", "-1", "--format=%s", "mine"), "mine");
    },
  },
  {
    name: "a cherry-pick in progress",
    make(path) {
      git(path, "checkout", "--quiet", "-b", "mine");
      write(join(path, "b.txt"), "mine\n");
      git(path, "commit", "--quiet", "--all", "-m", "mine");
      git(path, "checkout", "--quiet", "main");
      write(join(path, "b.txt"), "theirs\n");
      git(path, "commit", "--quiet", "--all", "-m", "theirs");
      failing(() => git(path, "cherry-pick", "mine"));
    },
    check: (path) => assertStringIncludes(git(path, "show", "stash@{0}:b.txt"), "<<<<<<<"),
    stashed: true,
  },
  {
    name: "assume-unchanged and skip-worktree",
    make(path) {
      for (const [flag, name] of [["assume-unchanged", "a.txt"], ["skip-worktree", "d/in.txt"]]) {
        git(path, "update-index", `--${flag}`, name!);
        write(join(path, name!), `mine in ${name}\n`);
      }
    },
    check(path) {
      for (const name of ["a.txt", "d/in.txt"]) {
        assertEquals(git(path, "show", `stash@{0}:${name}`), `mine in ${name}`);
      }
      assertEquals(read(path, "d/in.txt"), "in 2\n");
    },
  },
  {
    name: "a sparse checkout, cone",
    make: (path) => void git(path, "sparse-checkout", "set", "--cone", "--sparse-index", "nothing"),
    check: (path) => assert(!exists(join(path, "d/in.txt"))),
  },
  {
    name: "locks of an interrupted git",
    make(path) {
      for (const name of ["index", "HEAD", "packed-refs", "shallow"]) {
        write(join(path, `.git/${name}.lock`), "");
      }
    },
  },
  {
    name: "no commit on the current branch",
    unknown: true,
    make: (path) => void git(path, "symbolic-ref", "HEAD", "refs/heads/none"),
  },
  {
    name: "an orphan branch with staged files",
    unknown: true,
    make: (path) => void git(path, "checkout", "--quiet", "--orphan", "none"),
  },
  {
    name: "HEAD that names a commit which is not there",
    make: (path) => write(join(path, ".git/HEAD"), `${"1".repeat(40)}\n`),
    replaced: true,
  },
  {
    name: "a ref that is no ref",
    make: (path) => write(join(path, ".git/refs/heads/main"), "rubbish\n"),
    replaced: true,
  },
  {
    name: "packed refs that are none",
    make: (path) => write(join(path, ".git/packed-refs"), "rubbish rubbish rubbish\n"),
    replaced: true,
  },
  {
    name: "objects that are missing",
    make: (path) => sh(path, "rm -rf .git/objects/??"),
    replaced: true,
  },
  {
    name: "alternates that lead nowhere here",
    make(path) {
      sh(path, "mv .git/objects .git/elsewhere; mkdir -p .git/objects/info");
      write(join(path, ".git/objects/info/alternates"), "/workspace/repo/.git/elsewhere\n");
    },
    replaced: true,
  },
  {
    name: "links in .git",
    make: (path) => sh(path, "mv .git/objects ../objects; ln -s ../../objects .git/objects"),
    replaced: true,
  },
  {
    name: ".git as a link",
    make: (path) => sh(path, "mkdir ../.repo; mv .git ../.repo/r.git; ln -s ../.repo/r.git .git"),
    replaced: true,
  },
  {
    name: ".git as a file",
    make(path) {
      sh(path, "mkdir ../.repo; mv .git ../.repo/r.git");
      write(join(path, ".git"), "gitdir: ../.repo/r.git\n");
    },
    replaced: true,
  },
  {
    name: "an empty .git",
    unknown: true,
    make: (path) => sh(path, "rm -rf .git; mkdir .git"),
    replaced: true,
    // Nothing says what is whose.
    check: (path) => assertStringIncludes(allBytes(path), "mine in b"),
  },
  {
    name: "objects that belong to root",
    make: (path) => sh(path, "chown -R root:root .git/objects"),
    replaced: true,
    needsRoot: true,
  },
  {
    name: "a folder of the working tree that belongs to root",
    make: (path) => sh(path, "chown -R root:root d; chmod 700 d; chmod 600 d/*"),
    replaced: true,
    needsRoot: true,
  },
  {
    name: "a checkout that belongs to root",
    make: (path) => sh(path, "chown -R root:root ."),
    replaced: true,
    needsRoot: true,
    check: (path) => assertEquals(Deno.statSync(path).uid, 33333),
  },
  {
    name: "a config that is none",
    make: (path) => write(join(path, ".git/config"), "[core\nrubbish"),
    replaced: true,
  },
];

/** Everything in files beneath a folder, and in reach of its refs, as one text. */
function allBytes(path: string): string {
  const files = new Deno.Command("sh", {
    args: ["-c", "find . -type f -exec cat {} +"],
    cwd: path,
  }).outputSync();
  return new TextDecoder().decode(files.stdout);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function metric(fixture: InitializerFixture): Promise<number> {
  const text = await fixture.metrics.text();
  return [...text.matchAll(/^wsdaemon_git_checkouts_replaced_total\{.*\} (\d+)$/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

for (const state of STATES) {
  Deno.test({
    name: `a prebuild with ${state.name} is brought to its target, with its local work`,
    ignore: state.needsRoot === true && Deno.uid() !== 0,
    fn: () => runState(state),
  });
}

async function runState(state: State): Promise<void> {
  await using fixture = await initializerFixture();
  using logs = captureLogs();
  const remote = makeRemote(join(fixture.base.remotes, "a.git"), FIRST);
  const spec: GitSpec = gitSpec(fileUrl(remote), { checkoutLocation: "repo" });
  const { tree, path: top } = await fixture.run({
    ...spec,
    fullClone: state.spec?.fullClone ?? false,
  });
  const path = join(top, "repo");
  // In every state: changes of one file that the target leaves alone, and of what Git does not know.
  write(join(path, "b.txt"), "mine in b\n");
  Deno.mkdirSync(join(path, "node_modules"));
  write(join(path, "node_modules/m.js"), "installed\n");
  const { uid, gid } = fixture.base.owner;
  if (Deno.uid() === 0) sh(path, `chown -R ${uid}:${gid} .`);
  state.make(path, remote);
  if (Deno.uid() === 0 && !state.needsRoot) sh(top, `chown -R ${uid}:${gid} .`);
  const snapshot = fixture.images.newSnapshotUrl(ALICE);
  await fixture.images.saveSnapshot(tree, snapshot, { baseline: tree.name });
  addCommits(remote, SECOND);
  state.remote?.(remote);

  const restored = await fixture.run({
    kind: "prebuild",
    prebuild: { kind: "snapshot", snapshot, fromVolumeSnapshot: false },
    git: [{ ...spec, ...state.spec, config: spec.config }],
  });
  const now = join(restored.path, "repo");
  assertEquals(git(now, "log", "-1", "--format=%s"), "second");
  assertEquals(read(now, "node_modules/m.js"), "installed\n");
  assertEquals(exists(join(now, "gone.txt")), state.unknown === true);
  if (!state.stashed) assertStringIncludes(allBytes(now), "mine in b");
  assertEquals(await metric(fixture), state.replaced ? 1 : 0);
  if (state.replaced) assertStringIncludes(logs.text, "Cloning");
  git(now, "status", "--porcelain");
  gitWith(now, ["fsck", "--connectivity-only"]);
  assertEquals([...Deno.readDirSync(fixture.base.staging)].length, 2, "staging trees are left");
  state.check?.(now, logs.text);
  await fixture.base.git.status(restored.tree, "repo");
}
