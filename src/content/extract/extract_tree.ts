/** Puts entries into a tree by their paths, none of which leads out of it or through a link. */

import { showName } from "../../archive/mod.ts";
import type { DaemonError } from "../../errors.ts";
import { type Directory, isErrno, openLongPath, SLASH, type Stat } from "../../linux/mod.ts";
import { DirectoryCache } from "../directory_cache.ts";
import { componentsOf, type MemberPath, refusal } from "../../image/mod.ts";

/** The mode of a directory that no entry describes. */
const IMPLIED_MODE = 0o755;
/** The mode of directories until their own is set at the end: only the daemon may enter them. */
const PRIVATE_MODE = 0o700;
const TOP = new Uint8Array();

/** Callbacks of an {@link ExtractTree}. */
export interface TreeEvents {
  /** Called before a directory is made that only an entry below it needs; throws to refuse it. */
  implied(): void;
  /** Called after what was at `path` was removed. */
  removed(path: MemberPath, stat: Stat): void;
}

/** Where an entry belongs: a name in an open directory, which the tree closes. */
export interface Leaf {
  readonly dir: Directory;
  readonly name: Uint8Array;
  readonly path: MemberPath;
}

/** A tree that entries are made in. Makes missing parents; refuses paths through links and files. */
export class ExtractTree implements Disposable {
  readonly #top: Directory;
  readonly #events: TreeEvents;
  /** The directory opened last is always the parent of the last leaf, so no removed one is kept. */
  readonly #directories: DirectoryCache;

  /** @param top stays open; the caller closes it */
  constructor(top: Directory, events: TreeEvents) {
    this.#top = top;
    this.#events = events;
    this.#directories = new DirectoryCache(top);
  }

  [Symbol.dispose](): void {
    this.#directories[Symbol.dispose]();
  }

  /**
   * Returns where `path` belongs; makes its parents if they are missing. Valid until the next call.
   * @throws {DaemonError | SystemError} if a parent is a link or a file
   */
  leaf(path: MemberPath): Leaf {
    const { name, parent } = path;
    if (path.depth === 0) {
      throw refusal("it is not a directory, but has the name of the top directory");
    }
    return { dir: this.#openOrMake(parent), name, path };
  }

  /** Opens an existing directory; the caller closes it. @throws {SystemError} */
  open(path: Uint8Array): Directory {
    return this.#directories.openUncached(path);
  }

  /**
   * Makes an entry at a leaf, in place of what is there.
   * @param make throws EEXIST if the name is taken
   * @throws {DaemonError | SystemError}
   */
  replace<T>(leaf: Leaf, make: (leaf: Leaf) => T): T {
    try {
      return make(leaf);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    this.#remove(leaf, leaf.dir.statEntry(leaf.name));
    return make(leaf);
  }

  /** Removes what is at a leaf, if anything. @throws {DaemonError | SystemError} */
  clear(leaf: Leaf): void {
    const stat = ifThere(() => leaf.dir.statEntry(leaf.name));
    if (stat) this.#remove(leaf, stat);
  }

  /** Makes a directory unless there is one, in place of anything else. @throws {DaemonError | SystemError} */
  makeDirectory(leaf: Leaf): void {
    try {
      leaf.dir.makeDirectory(leaf.name, PRIVATE_MODE);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      const stat = leaf.dir.statEntry(leaf.name);
      if (stat.isDirectory) return;
      this.#remove(leaf, stat);
      leaf.dir.makeDirectory(leaf.name, PRIVATE_MODE);
    }
  }

  /**
   * Makes `leaf` a hard link to what is at `target`.
   * @throws {DaemonError} FAILED_PRECONDITION if `target` does not exist or is a directory
   * @throws {SystemError} also if the file system refuses a further link
   */
  link(leaf: Leaf, target: MemberPath): void {
    const { name } = target;
    if (target.depth === 0) throw refusal("it is a hard link to the top directory");
    using parent = this.#targetParent(target);
    const stat = parent && ifThere(() => parent.statEntry(name));
    if (!stat) {
      throw refusal(`it is a hard link to ${showName(target.bytes)}, which no earlier entry made`);
    }
    if (stat.isDirectory) {
      throw refusal(`it is a hard link to ${showName(target.bytes)}, a directory`);
    }
    try {
      parent.link(name, leaf.dir, leaf.name);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      const there = leaf.dir.statEntry(leaf.name);
      if (there.sameInode(stat)) return;
      this.#remove(leaf, there);
      parent.link(name, leaf.dir, leaf.name);
    }
  }

  /** Returns the metadata of what is at a path; `undefined` if nothing is. @throws {SystemError} */
  statAt({ parent, name }: MemberPath): Stat | undefined {
    return ifThere(() => {
      using dir = this.open(parent);
      return dir.statEntry(name);
    });
  }

  #targetParent({ parent }: MemberPath): Directory | undefined {
    try {
      return this.open(parent);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      if (!isErrno(error, "ELOOP", "ENOTDIR")) throw error;
      throw this.#conflictIn(parent) ?? error;
    }
  }

  #remove(leaf: Leaf, stat: Stat): void {
    if (!stat.isDirectory) {
      leaf.dir.unlink(leaf.name);
    } else {
      try {
        leaf.dir.removeDirectory(leaf.name);
      } catch (error) {
        if (!isErrno(error, "ENOTEMPTY")) throw error;
        throw refusal("it would replace a directory that is not empty");
      }
    }
    this.#events.removed(leaf.path, stat);
  }

  #openOrMake(path: Uint8Array): Directory {
    try {
      return this.#directories.open(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) {
        this.#make(path);
        return this.#directories.open(path);
      }
      if (!isErrno(error, "ELOOP", "ENOTDIR")) throw error;
      throw this.#conflictIn(path) ?? error;
    }
  }

  #make(path: Uint8Array): void {
    const deepest = this.#deepest(path);
    let at = deepest.dir;
    try {
      for (const name of componentsOf(deepest.missing)) {
        this.#events.implied();
        using above = at;
        above.makeDirectory(name, PRIVATE_MODE);
        at = above.openDirectory(name);
        at.chmod(IMPLIED_MODE);
      }
    } finally {
      at.close();
    }
  }

  /**
   * Returns the deepest existing directory above one that does not exist, and the missing rest of its
   * path. Found by halving: each level that is missing costs an error, and a path can have many.
   */
  #deepest(path: Uint8Array): { dir: Directory; missing: Uint8Array } {
    const { dir: near, rest } = this.#directories.nearest(path);
    const ends = [0];
    for (let at = rest.indexOf(SLASH); at >= 0; at = rest.indexOf(SLASH, at + 1)) ends.push(at);
    let dir = openLongPath(near, TOP);
    let existing = 0;
    try {
      for (let missing = ends.length; missing - existing > 1;) {
        const middle = (existing + missing) >>> 1;
        const found = ifThere(() => openLongPath(near, rest.subarray(0, ends[middle])));
        if (found) {
          dir.close();
          dir = found;
          existing = middle;
        } else {
          missing = middle;
        }
      }
    } catch (error) {
      dir.close();
      throw error;
    }
    return { dir, missing: existing === 0 ? rest : rest.subarray(ends[existing]! + 1) };
  }

  /** Returns the failure that names the component of a path that is a link or a file, if one is. */
  #conflictIn(path: Uint8Array): DaemonError | undefined {
    let at = openLongPath(this.#top, TOP);
    let end = -1;
    try {
      for (const name of componentsOf(path)) {
        using above = at;
        end += 1 + name.length;
        const stat = ifThere(() => above.statEntry(name));
        if (!stat) return undefined;
        const where = path.subarray(0, end);
        if (stat.isSymlink) {
          return refusal(`its path goes through the symbolic link ${showName(where)}`);
        }
        if (!stat.isDirectory) {
          return refusal(`its path goes through ${showName(where)}, which is no directory`);
        }
        at = above.openDirectory(name);
      }
      return undefined;
    } finally {
      at.close();
    }
  }
}

function ifThere<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
