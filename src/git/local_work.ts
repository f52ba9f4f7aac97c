import type { Content, MovedPath, Owner, PathState, Tree, TreeFolder } from "../content/mod.ts";
import {
  blobHash,
  filteredPaths,
  type FilteredSource,
  unchangedFiltered,
} from "./filtered_files.ts";
import { hashWorkingFiles } from "./hash_files.ts";
import { ancestorsOf, bytesOfPath, type RawPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./session.ts";
import { ABSENT, GITLINK, isRegular, LINK, type TreeChange } from "./tree_changes.ts";

/** Something that was moved out of the working tree and is to come back. */
export interface SetAside {
  path: RawPath;
  state: Exclude<PathState, { type: "absent" | "blocked" }>;
  /** What the target does there; `undefined` where the target has something beneath the path. */
  change: TreeChange | undefined;
  /** Whether a filter made its content. */
  isFiltered: boolean;
  /** The hash of the blob that it would be; absent where it was not hashed. */
  hash?: string;
}

/** Where things are moved to. */
export interface AsidePlace {
  content: Content;
  /** The checkout. */
  checkout: TreeFolder;
  /** For local work. */
  aside: TreeFolder;
  /** For what nobody needs any more; a staging tree of its own. */
  discarded: Tree;
  /** Who owns directories that are made on the way. */
  owner: Owner;
}

/** Moves that can be taken back. */
export class AsideMoves {
  readonly #place: AsidePlace;
  readonly #done: { from: TreeFolder; to: TreeFolder; move: MovedPath }[] = [];
  #folders = 0;
  #vacant: RawPath[] = [];

  constructor(place: AsidePlace) {
    this.#place = place;
  }

  /** Moves things between folders and remembers it. @returns the paths that were not moved */
  async move(
    from: TreeFolder,
    to: TreeFolder,
    moves: readonly MovedPath[],
  ): Promise<RawPath[]> {
    const results = await this.#place.content.movePaths(from, to, moves, this.#place.owner);
    const refused: RawPath[] = [];
    moves.forEach((move, n) => {
      if (results[n] === "moved") this.#done.push({ from, to, move });
      else if (results[n] === "taken") refused.push(rawPath(move.from));
    });
    return refused;
  }

  /** Moves paths of the checkout to where nobody needs them. */
  async discard(paths: readonly RawPath[]): Promise<void> {
    if (paths.length === 0) return;
    const { checkout, discarded } = this.#place;
    // A folder of its own: a path may be discarded as a file, and later as a directory.
    const to = { tree: discarded, folder: "" };
    const prefix = `${++this.#folders}/`;
    await this.move(checkout, to, paths.map((path) => renamed(path, prefix + path)));
  }

  /** Notes paths of the checkout at which nothing stands: what a checkout puts there is its own. */
  noteVacant(paths: readonly RawPath[]): void {
    this.#vacant.push(...paths);
  }

  /** Takes everything back that was moved, the last first. */
  async undo(): Promise<void> {
    const { content, owner, discarded } = this.#place;
    const done = this.#done.splice(0);
    await this.discard(this.#vacant.splice(0));
    this.#done.length = 0;
    for (const { from, to, move } of done.toReversed()) {
      const back = () => content.movePaths(to, from, [{ from: move.to, to: move.from }], owner);
      if ((await back())[0] !== "taken") continue;
      // The place was free: what has it now is the target's, as far as a checkout came.
      const folder = { tree: discarded, folder: "" };
      const away = renamed(rawPath(move.from), `${++this.#folders}/${rawPath(move.from)}`);
      await content.movePaths(from, folder, [away], owner);
      await back();
    }
  }
}

function renamed(from: RawPath, to: RawPath): MovedPath {
  return { from: bytesOfPath(from), to: bytesOfPath(to) };
}

/** The same paths on both sides. */
export function samePaths(paths: readonly RawPath[]): MovedPath[] {
  return paths.map((path) => renamed(path, path));
}

/**
 * Clears the places of those changes in the working tree.
 * @param git that knows the blobs the working tree was checked out from, in the checkout's directory
 * @returns what was set aside, in the order in which it was moved
 */
export async function clearPlaces(
  git: GitSession,
  changes: readonly TreeChange[],
  source: FilteredSource,
  moves: AsideMoves,
  place: AsidePlace,
): Promise<SetAside[]> {
  const subject = changes.filter(({ oldMode, newMode }) =>
    !(oldMode === GITLINK && (newMode === GITLINK || newMode === ABSENT))
  );
  const found = await look(place, subject);
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
  // What is in them by now is nothing that the target knows.
  const folders = subject.filter(({ newMode }) => newMode !== GITLINK);
  const left = await look(place, folders);
  const directories = left.filter(({ state }) => state.type === "directory");
  const isEmpty = ({ state }: SetAside) => state.type === "directory" && state.isEmpty;
  await moves.discard(directories.filter(isEmpty).map(({ path }) => path));
  await setAside(directories.filter((item) => !isEmpty(item)));
  return set;
}

/** What stands at the places of changes, or in the way to them, each once. */
async function look(place: AsidePlace, changes: readonly TreeChange[]): Promise<SetAside[]> {
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
 * Those of the files and links that are as the old commit has them, or already as the target will.
 * Marks those that a filter made, and notes the others' hashes.
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
    // What was made executable, and no more, is to be so in the target's file, if it has one.
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

/** Moves back what was set aside, where its place is free. @returns the rest */
export async function moveBack(
  set: readonly SetAside[],
  moves: AsideMoves,
  place: AsidePlace,
): Promise<SetAside[]> {
  const back = set.toReversed();
  const refused = new Set(
    await moves.move(place.aside, place.checkout, samePaths(back.map(({ path }) => path))),
  );
  return set.filter(({ path }) => refused.has(path));
}

/** Which staged paths cannot stay so when the target is checked out. */
export function conflictingPaths(changes: readonly TreeChange[]): (path: RawPath) => boolean {
  const changed = new Set(changes.map(({ path }) => path));
  const present = new Set(
    changes.filter(({ newMode }) => newMode !== ABSENT).map(({ path }) => path),
  );
  const above = new Set([...present].flatMap(ancestorsOf));
  return (path) =>
    changed.has(path) || above.has(path) || ancestorsOf(path).some((name) => present.has(name));
}
