import type { Content, Tree } from "../content/mod.ts";
import type { GitSession } from "./git_session.ts";
import { joinPath, readText } from "./tree_path.ts";

/** A checkout in a tree. */
interface TreePlace {
  content: Content;
  tree: Tree;
  location: string;
  /** Absolute path of the spool. */
  spool: string;
}

/** HEAD, and the refs that name the commit of an operation in progress. */
const OPERATION_HEADS = ["HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"];

/** A commit that no remote is known to have, and the ref that names it. */
export interface LocalTip {
  name: string;
  commit: string;
}

/**
 * Returns the commits that are checked out or in progress, or that `branch` names, and were not fetched.
 * @param branch the branch that the target is checked out as
 */
export async function localTips(
  git: GitSession,
  files: TreePlace,
  branch: string | undefined,
): Promise<LocalTip[]> {
  const names = [...OPERATION_HEADS, ...(branch === undefined ? [] : [`refs/heads/${branch}`])];
  const fetched = await shallowEnds(files);
  const tips: LocalTip[] = [];
  for (const name of names) {
    const commit = await commitOf(git, name);
    if (commit === undefined || tips.some((tip) => tip.commit === commit)) continue;
    if (await hasMore(git, commit, ["--remotes", "--tags"], fetched)) tips.push({ name, commit });
  }
  return tips;
}

/** Makes a ref for each of the commits that no branch or tag reaches any more. @returns their names */
export async function keepTips(
  git: GitSession,
  tips: readonly LocalTip[],
  stamp: string,
): Promise<string[]> {
  const kept: string[] = [];
  for (const { name, commit } of tips) {
    if (!await hasMore(git, commit, ["--branches", "--remotes", "--tags"])) continue;
    const ref = `refs/wsdaemon/put-aside/${stamp}/${name.replace(/^refs\/heads\//, "")}`;
    await git.run(["update-ref", ref, commit]);
    kept.push(ref);
  }
  return kept;
}

/** Returns the whole hash of the commit that a name means; `undefined` where there is none. */
export async function commitOf(git: GitSession, name: string): Promise<string | undefined> {
  const { code, stdout } = await git.run(
    ["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`],
    { answers: [1, 128] },
  );
  return code === 0 ? stdout.trim() : undefined;
}

/** Bounds the list of commits at which a shallow history ends. */
const MAX_SHALLOW_BYTES = 4 * 1024 * 1024;

/** Returns the commits at which a shallow history ends; they were fetched, whatever names them. */
async function shallowEnds({ content, tree, location, spool }: TreePlace): Promise<string[]> {
  const folder = joinPath(location, ".git");
  const isShallow = (await content.list(tree, folder)).some(({ name }) => name === "shallow");
  if (!isShallow) return [];
  const text = await readText(content, tree, spool, `${folder}/shallow`, MAX_SHALLOW_BYTES);
  return text.split("\n").filter((line) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(line));
}

/** Returns whether the history of `commit` has a commit that those of `refs` and `commits` lack. */
async function hasMore(
  git: GitSession,
  commit: string,
  refs: readonly string[],
  commits: readonly string[] = [],
): Promise<boolean> {
  const { stdout } = await git.run([
    "rev-list",
    "--max-count=1",
    commit,
    "--not",
    ...refs,
    "--stdin",
  ], {
    input: new TextEncoder().encode(commits.map((hash) => `^${hash}\n`).join("")),
  });
  return stdout.trim() !== "";
}

/**
 * Renames branches that cannot exist beside `branch`, because refs are files: `a` conflicts with `a/b`,
 * and `a/b` with `a`.
 */
export async function clearBranch(git: GitSession, branch: string, stamp: string): Promise<void> {
  for (const blocking of await blockingRefs(git, `refs/heads/${branch}`, "refs/heads/")) {
    const name = blocking.slice("refs/heads/".length);
    const other = `put-aside-${stamp}/${name}`;
    await git.run(["branch", "--move", name, other]);
    git.warn(`Branch ${name} is in the way of ${branch}; it was renamed to ${other}`);
  }
}

/** Deletes remote-tracking refs that cannot exist beside `ref`: the remote has none of them any more. */
export async function clearTracking(git: GitSession, ref: string): Promise<void> {
  const namespace = ref.split("/").slice(0, 3).join("/");
  for (const blocking of await blockingRefs(git, ref, `${namespace}/`)) {
    await git.run(["update-ref", "--no-deref", "-d", blocking]);
  }
}

async function blockingRefs(git: GitSession, ref: string, namespace: string): Promise<string[]> {
  const rest = ref.slice(namespace.length).split("/");
  const above = rest.slice(1).map((_, n) => namespace + rest.slice(0, n + 1).join("/"));
  // A pattern without wildcards is a ref, or what is beneath it.
  const { stdout } = await git.run(["for-each-ref", "--format=%(refname)", ...above, `${ref}/`]);
  const found = stdout.split("\n").filter((name) => name !== "");
  return found.filter((name) => above.includes(name) || name.startsWith(`${ref}/`));
}
