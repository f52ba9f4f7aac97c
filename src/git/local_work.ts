import type { Content, MovedPath, Owner, PathState, Tree, TreeFolder } from "../content/mod.ts";
import {
  blobHash,
  filteredPaths,
  type FilteredSource,
  unchangedFiltered,
} from "./filtered_files.ts";
import { hashWorkingFiles } from "./hash_files.ts";
import { ancestorsOf, bytesOfPath, type RawPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";
import { ABSENT, GITLINK, isRegular, LINK, type TreeChange } from "./tree_changes.ts";

/** A file, link or folder that was moved out of the working tree and is to be moved back. */
export interface SetAside {
  path: RawPath;
  state: Exclude<PathState, { type: "absent" | "blocked" }>;
  /** The target's change of the path; `undefined` where the target has a path beneath it. */
  change: TreeChange | undefined;
  /** Whether attributes give the path a filter driver, such as Git LFS. */
  isFiltered: boolean;
  /** The hash of the blob that its content would be; absent where it was not hashed. */
  hash?: string;
}

/** The folders that local work is moved between. */
export interface AsideFolders {
  content: Content;
  /** The checkout. */
  checkout: TreeFolder;
  /** Holds local work until it is brought back. */
  aside: TreeFolder;
  /** A staging tree for what is to be deleted. */
  discarded: Tree;
  /** The owner of directories that moves make. */
  owner: Owner;
}

/** Moves files between a checkout and other folders, and can undo all of it. */
export class AsideMoves {
  readonly #folders: AsideFolders;
  readonly #done: { from: TreeFolder; to: TreeFolder; move: MovedPath }[] = [];
  #discardedFolders = 0;
  #vacant: RawPath[] = [];

  constructor(place: AsideFolders) {
    this.#folders = place;
  }

  /** Moves paths between folders. @returns those that were not moved, because something is there */
  async move(
    from: TreeFolder,
    to: TreeFolder,
    moves: readonly MovedPath[],
  ): Promise<RawPath[]> {
    const results = await this.#folders.content.movePaths(from, to, moves, this.#folders.owner);
    const refused: RawPath[] = [];
    moves.forEach((move, n) => {
      if (results[n] === "moved") this.#done.push({ from, to, move });
      else if (results[n] === "taken") refused.push(rawPath(move.from));
    });
    return refused;
  }

  /** Moves paths of the checkout into the tree that is to be deleted. */
  async discard(paths: readonly RawPath[]): Promise<void> {
    if (paths.length === 0) return;
    const { checkout, discarded } = this.#folders;
    // Each time into another folder: a path may be discarded as a file, and later as a directory.
    const to = { tree: discarded, folder: "" };
    const prefix = `${++this.#discardedFolders}/`;
    await this.move(checkout, to, paths.map((path) => renamed(path, prefix + path)));
  }

  /** Records paths of the checkout at which nothing is: an undo discards what a checkout makes there. */
  noteVacant(paths: readonly RawPath[]): void {
    this.#vacant.push(...paths);
  }

  /** Undoes all moves, the last first. */
  async undo(): Promise<void> {
    const { content, owner, discarded } = this.#folders;
    const done = this.#done.splice(0);
    await this.discard(this.#vacant.splice(0));
    this.#done.length = 0;
    for (const { from, to, move } of done.toReversed()) {
      const back = () => content.movePaths(to, from, [{ from: move.to, to: move.from }], owner);
      if ((await back())[0] !== "taken") continue;
      // The path was free after the move, so what is there now was made by the checkout.
      const folder = { tree: discarded, folder: "" };
      const away = renamed(rawPath(move.from), `${++this.#discardedFolders}/${rawPath(move.from)}`);
      await content.movePaths(from, folder, [away], owner);
      await back();
    }
  }
}

function renamed(from: RawPath, to: RawPath): MovedPath {
  return { from: bytesOfPath(from), to: bytesOfPath(to) };
}

/** Returns moves that keep each path. */
export function samePaths(paths: readonly RawPath[]): MovedPath[] {
  return paths.map((path) => renamed(path, path));
}

/**
 * Moves local work at the paths of those changes out of the working tree, and discards what is unchanged.
 * @param git that knows the blobs the working tree was checked out from, in the checkout's directory
 * @returns what was set aside, in the order in which it was moved
 */
export async function clearPaths(
  git: GitSession,
  changes: readonly TreeChange[],
  source: FilteredSource,
  moves: AsideMoves,
  place: AsideFolders,
): Promise<SetAside[]> {
  const subject = changes.filter(({ oldMode, newMode }) =>
    !(oldMode === GITLINK && (newMode === GITLINK || newMode === ABSENT))
  );
  const found = await inspectChanged(place, subject);
  const taken = new Set(found.map(({ path }) => path));
  const isVacant = ({ path }: TreeChange) =>
    !taken.has(path) && !ancestorsOf(path).some((name) => taken.has(name));
  moves.noteVacant(subject.filter(isVacant).map(({ path }) => path));
  const discarded = await unchanged(git, found, source);
  const kept = found.filter(({ path }) => !discarded.has(path));
  await moves.discard([...discarded]);
  const set: SetAside[] = [];
  const setAside = async (items: readonly SetAside[]) => {
    const paths = items.map(({ path }) => path);
    const refused = await moves.move(place.checkout, place.aside, samePaths(paths));
    if (refused.length > 0) throw new Error(`cannot set ${refused.length} paths aside`);
    set.push(...items);
  };
  await setAside(kept.filter(({ state }) => state.type !== "directory"));
  // Folders now hold only what neither commit has.
  const folders = subject.filter(({ newMode }) => newMode !== GITLINK);
  const left = await inspectChanged(place, folders);
  const directories = left.filter(({ state }) => state.type === "directory");
  const isEmpty = ({ state }: SetAside) => state.type === "directory" && state.isEmpty;
  await moves.discard(directories.filter(isEmpty).map(({ path }) => path));
  await setAside(directories.filter((item) => !isEmpty(item)));
  return set;
}

/** Returns what is at the paths of changes, or at an ancestor that is no directory, each once. */
async function inspectChanged(
  place: AsideFolders,
  changes: readonly TreeChange[],
): Promise<SetAside[]> {
  const { content, checkout: { tree, folder } } = place;
  const inspect = (paths: readonly RawPath[]) =>
    content.inspectPaths(tree, folder, paths.map(bytesOfPath));
  const states = await inspect(changes.map(({ path }) => path));
  const found = new Map<RawPath, SetAside>();
  const blockers = new Set<RawPath>();
  changes.forEach((change, n) => {
    const state = states[n]!;
    if (state.type === "blocked") blockers.add(rawPath(state.blocker));
    else if (state.type !== "absent") {
      found.set(change.path, { path: change.path, state, change, isFiltered: false });
    }
  });
  const others = [...blockers].filter((path) => !found.has(path));
  const blocking = await inspect(others);
  others.forEach((path, n) => {
    const state = blocking[n]!;
    if (state.type === "absent" || state.type === "blocked") return;
    found.set(path, { path, state, change: undefined, isFiltered: false });
  });
  return [...found.values()];
}

/**
 * Returns the files and links that are as the old commit has them, or already as the target will.
 * Sets `isFiltered` of those with a filter, and the hashes of the others.
 */
async function unchanged(
  git: GitSession,
  found: readonly SetAside[],
  source: FilteredSource,
): Promise<Set<RawPath>> {
  const result = new Set<RawPath>();
  const files = found.flatMap((item) =>
    item.state.type === "file" && item.change
      ? [{ item, change: item.change, state: item.state }]
      : []
  );
  const filtered = await filteredPaths(git, files.map(({ item }) => item.path));
  for (const { item } of files) item.isFiltered = filtered.has(item.path);
  const candidates = files.filter(({ item, change }) =>
    item.isFiltered && isRegular(change.oldMode)
  ).map(({ item: { path }, change, state }) => ({ path, blob: change.oldHash, state }));
  for (const path of await unchangedFiltered(git, source, candidates)) result.add(path);
  const rest = files.filter(({ item }) => !result.has(item.path));
  const hashes = await hashWorkingFiles(git, rest.map(({ item }) => item.path));
  for (const { item, change, state } of rest) {
    const hash = hashes.get(item.path);
    if (hash === undefined) continue;
    item.hash = hash;
    const mode = (state.permissions & 0o100) === 0 ? "100644" : "100755";
    // A changed executable bit alone is local work that the target's file, if any, must keep.
    const isSameMode = mode === change.oldMode || !isRegular(change.newMode);
    if (hash === change.oldHash && isSameMode) result.add(item.path);
    if (hash === change.newHash && isRegular(change.newMode)) result.add(item.path);
  }
  for (const item of found) {
    const { path, state, change } = item;
    if (state.type !== "symlink" || !change) continue;
    item.hash = await blobHash(state.target, change.oldHash.length);
    if (item.hash === change.oldHash && change.oldMode === LINK) result.add(path);
    if (item.hash === change.newHash && change.newMode === LINK) result.add(path);
  }
  return result;
}

/** Moves back what was set aside, where its path is free. @returns the rest */
export async function moveBack(
  set: readonly SetAside[],
  moves: AsideMoves,
  place: AsideFolders,
): Promise<SetAside[]> {
  const back = set.toReversed();
  const refused = new Set(
    await moves.move(place.aside, place.checkout, samePaths(back.map(({ path }) => path))),
  );
  return set.filter(({ path }) => refused.has(path));
}

/** Returns whether a staged path conflicts with the target's changes. */
export function conflictingPaths(changes: readonly TreeChange[]): (path: RawPath) => boolean {
  const changed = new Set(changes.map(({ path }) => path));
  const present = new Set(
    changes.filter(({ newMode }) => newMode !== ABSENT).map(({ path }) => path),
  );
  const above = new Set([...present].flatMap(ancestorsOf));
  return (path) =>
    changed.has(path) || above.has(path) || ancestorsOf(path).some((name) => present.has(name));
}
