import type { Owner, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { CheckoutFiles } from "./sanitize_config.ts";
import type { FileTime } from "./filtered_files.ts";
import { PUT_ASIDE } from "./git_folder.ts";
import { clearBranch, commitOf } from "./local_refs.ts";
import {
  AsideMoves,
  type AsidePlace,
  clearPlaces,
  conflictingPaths,
  moveBack,
  type SetAside,
} from "./local_work.ts";
import { bytesOfPath, displayOfPath, forEachRecord, type RawPath, rawPath } from "./raw_path.ts";
import { mergeChange } from "./reapply.ts";
import type { GitSession } from "./session.ts";
import { indexInfo, makeStash, stagedAlone, type Stashed, storeBlob } from "./stash.ts";
import { LOCAL_REPO_ENV } from "./submodules.ts";
import type { Destination } from "./target.ts";
import {
  ABSENT,
  isRegular,
  LINK,
  stagedChanges,
  type TreeChange,
  treeChanges,
} from "./tree_changes.ts";
import { joinPath } from "./tree_path.ts";

/** More than the index of some millions of files. */
const MAX_INDEX_BYTES = 512 * 1024 * 1024;

export interface WayFiles extends CheckoutFiles {
  /** A staging tree for what nobody needs any more. */
  discarded: Tree;
  owner: Owner;
}

/** What was done to make way. */
export interface Cleared {
  /** Where local work is until it comes back, in the tree. */
  folder: string;
  /** Puts everything back as it was. */
  undo(): Promise<void>;
  /** Brings local work back into the working tree, which is the target's now. */
  reapply(git: GitSession): Promise<void>;
}

/** Where things of the checkout are put aside. */
export function asideFolder(location: string, stamp: string): string {
  return joinPath(location, `.git/${PUT_ASIDE}/${stamp}`);
}

/**
 * Moves local work out of the way of `destination`, in the working tree, the index and the refs, and
 * has index and working tree become the destination's. HEAD is detached there.
 */
export async function clearTargetPlaces(
  git: GitSession,
  files: WayFiles,
  { start, branch }: Destination,
  stamp: string,
): Promise<Cleared> {
  const { content, tree, location, discarded, owner, signal } = files;
  if (branch !== undefined) await clearBranch(git, branch, stamp);
  const commit = await checkedOut(git);
  const base = commit === undefined ? await emptyTree(git) : `${commit}^{tree}`;
  const index = await readIndex(git, files);
  const changes = await treeChanges(git, base, `${start}^{tree}`);
  const folder = asideFolder(location, stamp);
  const place: AsidePlace = {
    content,
    checkout: { tree, folder: location },
    aside: { tree, folder },
    discarded,
    owner,
  };
  await content.makeDirectory(tree, folder, owner);
  const moves = new AsideMoves(place);
  const source = { content, tree, location, indexTime: index.time, signal };
  // Whatever ended the work must not end this.
  const rested = () =>
    git.withSignal(AbortSignal.any([signal, AbortSignal.timeout(files.timeout)]));
  const restoreHead = await saveHead(git, commit);
  const undo = async () => {
    await restoreHead(rested());
    await moves.undo();
    await discardEmpty(place, files, stamp);
    await index.restore();
  };
  try {
    const staged = await resetConflicts(git, base, changes);
    const set = await clearPlaces(git, changes, source, moves, place);
    // Unlike a checkout, this fails where a file cannot be written.
    await git.run(["read-tree", "-m", "-u", base, start]);
    // The checkout that follows has nothing to do then but to name the branch.
    await git.run(["update-ref", "--no-deref", "HEAD", `${start}^{commit}`]);
    const reapply = (git: GitSession) =>
      reapplyTo(git, { files, stamp, folder, place, moves, set, staged, commit });
    return {
      folder,
      undo,
      async reapply(git) {
        await index.forget();
        await reapply(git);
      },
    };
  } catch (error) {
    await undo();
    throw error;
  }
}

/** Notes what HEAD is. @returns what makes it so again */
async function saveHead(
  git: GitSession,
  commit: string | undefined,
): Promise<(git: GitSession) => Promise<void>> {
  const { code, stdout } = await git.run(["symbolic-ref", "--quiet", "HEAD"], { answers: [1] });
  const branch = code === 0 ? stdout.trim() : undefined;
  return async (git) => {
    if (branch !== undefined) await git.run(["symbolic-ref", "HEAD", branch]);
    else if (commit !== undefined) await git.run(["update-ref", "--no-deref", "HEAD", commit]);
  };
}

/** The commit that is checked out; `undefined` where the branch has none yet. */
async function checkedOut(git: GitSession): Promise<string | undefined> {
  const commit = await commitOf(git, "HEAD");
  if (commit !== undefined) return commit;
  const { code } = await git.run(["rev-parse", "--quiet", "--verify", "HEAD"], {
    answers: [1, 128],
  });
  if (code !== 0) return undefined;
  throw new DaemonError("FAILED_PRECONDITION", "HEAD names a commit that the repository lacks");
}

/** The hash of the tree without entries, in the repository's own algorithm. */
async function emptyTree(git: GitSession): Promise<string> {
  return (await git.run(["hash-object", "-t", "tree", "--stdin", "-w"], {
    input: new Uint8Array(),
  })).stdout.trim();
}

/** An index as it was, in the spool. */
interface SavedIndex {
  /** When it was written. */
  time: FileTime | undefined;
  /** Puts it back. */
  restore(): Promise<void>;
  /** Removes the copy. */
  forget(): Promise<void>;
}

/** An index without entries, whatever its extensions. */
const SMALL_INDEX = 4096;

/** Saves the index and refreshes it. One that is empty is made anew: else all would look deleted. */
async function readIndex(
  git: GitSession,
  files: WayFiles,
): Promise<SavedIndex> {
  const { content, tree, location, owner } = files;
  const path = joinPath(location, ".git/index");
  const [state] = await content.inspectPaths(tree, location, [
    new TextEncoder().encode(".git/index"),
  ]);
  const index = state?.type === "file" ? state : undefined;
  const copy = index ? (await content.copyOut(tree, path, MAX_INDEX_BYTES)).file : undefined;
  if (!index || index.size < SMALL_INDEX && (await git.run(["ls-files"])).stdout === "") {
    if (await commitOf(git, "HEAD") !== undefined) await git.run(["read-tree", "HEAD"]);
  }
  await git.run(["update-index", "-q", "--refresh"], { answers: [1] });
  return {
    time: index?.mtime,
    async restore() {
      if (copy) await content.place(tree, path, copy, owner, 0o644);
    },
    async forget() {
      if (copy) await content.discard(copy);
    },
  };
}

/**
 * Takes out of the index what keeps git from a checkout of these changes: unfinished merges, and what
 * is staged at their paths.
 * @returns what was staged there
 */
async function resetConflicts(
  git: GitSession,
  base: string,
  changes: readonly TreeChange[],
): Promise<TreeChange[]> {
  const conflicts = conflictingPaths(changes);
  const unmerged = new Map<RawPath, true>();
  await forEachRecord(git, ["ls-files", "--unmerged", "-z"], (record) => {
    unmerged.set(rawPath(record.subarray(record.indexOf(0x09) + 1)), true);
  });
  const staged = await stagedChanges(git, base);
  const reset = staged.filter(({ path }) => conflicts(path) || unmerged.has(path));
  const known = new Set(reset.map(({ path }) => path));
  const intended = changes.filter(({ oldMode, path }) => oldMode === ABSENT && !known.has(path));
  const entries = [
    ...intended.map(({ path, oldHash: hash }) => ({ path, mode: ABSENT, hash })),
    ...reset.flatMap(({ path, oldMode: mode, oldHash: hash }) => [
      // All stages go, and then the commit's entry comes.
      { path, mode: ABSENT, hash },
      ...(mode === ABSENT ? [] : [{ path, mode, hash }]),
    ]),
  ];
  if (entries.length > 0) {
    await git.run(["update-index", "-z", "--index-info"], { input: indexInfo(entries) });
  }
  return reset.filter(({ path }) => !unmerged.has(path));
}

interface Reapplication {
  files: WayFiles;
  stamp: string;
  folder: string;
  place: AsidePlace;
  moves: AsideMoves;
  set: readonly SetAside[];
  staged: readonly TreeChange[];
  /** What was checked out before. */
  commit: string | undefined;
}

async function reapplyTo(git: GitSession, work: Reapplication): Promise<void> {
  const { files, stamp, folder, place, moves, set, staged, commit } = work;
  const left: SetAside[] = [];
  const settled: RawPath[] = [];
  for (const item of await moveBack(set, moves, place)) {
    if (await mergeChange(git, files, folder, item)) settled.push(item.path);
    else left.push(item);
  }
  const entries = await stashable(git, stamp, left, staged, set);
  if (commit !== undefined && entries.length > 0) {
    const made = await makeStash(git, LOCAL_REPO_ENV, files.scratch, { commit, entries });
    if (made) {
      git.warn(
        `Local changes at ${
          JSON.stringify(files.location)
        } do not fit the clone target; they are ` +
          `stashed: ${listed(entries.map(({ path }) => path))}`,
      );
      settled.push(...entries.filter(({ worktree }) => worktree).map(({ path }) => path));
    }
  }
  await discardAside(place, settled);
  const kept = left.filter(({ path }) => !settled.includes(path));
  warnOfAside(git, files, folder, kept.map(({ path }) => path));
  await discardEmpty(place, files, stamp);
}

/** What a stash can keep: local files of tracked paths, and what was staged and is nowhere else. */
async function stashable(
  git: GitSession,
  stamp: string,
  left: readonly SetAside[],
  staged: readonly TreeChange[],
  set: readonly SetAside[],
): Promise<Stashed[]> {
  const entries = new Map<RawPath, Stashed>();
  const stagedPaths = new Set(staged.map(({ path }) => path));
  const relative = `.git/${PUT_ASIDE}/${stamp}`;
  for (const item of left) {
    const { path, change } = item;
    const isTracked = stagedPaths.has(path) || change !== undefined && change.oldMode !== ABSENT;
    const worktree = isTracked ? await storeBlob(git, relative, item) : undefined;
    if (worktree) entries.set(path, { path, worktree });
  }
  const hashes = new Map(set.map(({ path, hash }) => [path, hash]));
  for (const change of staged) {
    if (!isRegular(change.newMode) && change.newMode !== LINK) continue;
    const entry = entries.get(change.path);
    const index = stagedAlone(change, entry ? undefined : hashes.get(change.path));
    if (index) entries.set(change.path, { path: change.path, ...entry, index });
  }
  return [...entries.values()];
}

/** Removes what was set aside and has been taken over elsewhere. */
async function discardAside(place: AsidePlace, paths: readonly RawPath[]): Promise<void> {
  const { content, aside, discarded, owner } = place;
  const moves = paths.map((path) => ({
    from: bytesOfPath(path),
    to: bytesOfPath(`settled/${path}`),
  }));
  await content.movePaths(aside, { tree: discarded, folder: "" }, moves, owner);
}

/** Paths of a list that the log names. */
const NAMED = 20;

export function listed(paths: readonly RawPath[]): string {
  const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : "";
  return paths.slice(0, NAMED).map((path) => JSON.stringify(displayOfPath(path))).join(", ") + more;
}

/** Warns of local work that could not come back, and says where it is. */
export function warnOfAside(
  git: GitSession,
  { location }: Pick<WayFiles, "location">,
  folder: string,
  paths: readonly RawPath[],
): void {
  if (paths.length === 0) return;
  git.warn(
    `Local files at ${JSON.stringify(location)} are in the clone target's way; they are in ` +
      `${folder}: ${listed(paths)}`,
  );
}

/** Removes the folder for local work where it holds nothing. */
async function discardEmpty(place: AsidePlace, files: WayFiles, stamp: string): Promise<void> {
  const { content, tree, location } = files;
  const folder = asideFolder(location, stamp);
  if (await holdsFiles(files, folder)) return;
  const encode = (text: string) => new TextEncoder().encode(text);
  const parent = { tree, folder: joinPath(location, `.git/${PUT_ASIDE}`) };
  const to = { tree: place.discarded, folder: "" };
  await content.movePaths(
    parent,
    to,
    [{ from: encode(stamp), to: encode(`aside-${stamp}`) }],
    files.owner,
  );
  if ((await content.list(tree, parent.folder)).length > 0) return;
  const git = { tree, folder: joinPath(location, ".git") };
  const move = { from: encode(PUT_ASIDE), to: encode(`empty-${stamp}`) };
  await content.movePaths(git, to, [move], files.owner);
}

/** Whether anything but directories is in a folder, or may be. */
async function holdsFiles(
  files: Pick<WayFiles, "content" | "tree">,
  folder: string,
): Promise<boolean> {
  try {
    for (const { name, type } of await files.content.list(files.tree, folder)) {
      if (type !== "directory" || await holdsFiles(files, `${folder}/${name}`)) return true;
    }
    return false;
  } catch (error) {
    // A name that is no text cannot be asked for.
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return true;
    throw error;
  }
}
