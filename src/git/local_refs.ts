import type { Content, Tree } from "../content/mod.ts";
import type { GitSession } from "./session.ts";
import { joinPath, readText } from "./tree_path.ts";

/** Where a checkout is. */
interface TreePlace {
  content: Content;
  tree: Tree;
  location: string;
  /** Absolute path of the spool. */
  spool: string;
}

/** What an operation in progress names, besides what is checked out. */
const TIPS = ["HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"];

/** A commit that no remote is known to have, and what leads to it. */
export interface LocalTip {
  name: string;
  commit: string;
}

/**
 * Finds what is checked out, or is the branch that is to be, and was not fetched.
 * @param branch the branch that the target is checked out as
 */
export async function localTips(
  git: GitSession,
  files: TreePlace,
  branch: string | undefined,
): Promise<LocalTip[]> {
  const names = [...TIPS, ...(branch === undefined ? [] : [`refs/heads/${branch}`])];
  const fetched = await shallowEnds(files);
  const tips: LocalTip[] = [];
  for (const name of names) {
    const commit = await commitOf(git, name);
    if (commit === undefined || tips.some((tip) => tip.commit === commit)) continue;
    if (await hasMore(git, commit, ["--remotes", "--tags"], fetched)) tips.push({ name, commit });
  }
  return tips;
}

/** Gives those of the commits a ref that are not reachable any more. @returns its names */
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

/** The full hash of the commit that a name means; `undefined` where there is none. */
export async function commitOf(git: GitSession, name: string): Promise<string | undefined> {
  const { code, stdout } = await git.run(
    ["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`],
    { answers: [1, 128] },
  );
  return code === 0 ? stdout.trim() : undefined;
}

/** A list of the commits at which a shallow history ends. */
const MAX_SHALLOW_BYTES = 4 * 1024 * 1024;

/** Commits at which a shallow history ends: they were fetched, whatever leads to them. */
async function shallowEnds({ content, tree, location, spool }: TreePlace): Promise<string[]> {
  const folder = joinPath(location, ".git");
  const isShallow = (await content.list(tree, folder)).some(({ name }) => name === "shallow");
  if (!isShallow) return [];
  const text = await readText(content, tree, spool, `${folder}/shallow`, MAX_SHALLOW_BYTES);
  return text.split("\n").filter((line) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(line));
}

/** Whether something leads to `commit` that is in none of those refs' histories. */
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
 * Renames branches that a branch of that name has no place beside, as refs are files: `a` where
 * `a/b` is to be, and `a/b` where `a` is to be.
 */
export async function clearBranch(git: GitSession, branch: string, stamp: string): Promise<void> {
  for (const blocking of await blockingRefs(git, `refs/heads/${branch}`, "refs/heads/")) {
    const name = blocking.slice("refs/heads/".length);
    const other = `put-aside-${stamp}/${name}`;
    await git.run(["branch", "--move", name, other]);
    git.warn(`Branch ${name} is in the way of ${branch}; it was renamed to ${other}`);
  }
}

/** Deletes refs of a remote's branches that it cannot have any more beside `ref`. */
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
