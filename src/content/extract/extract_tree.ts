import { showName } from "../../archive/mod.ts";
import type { DaemonError } from "../../errors.ts";
import {
  type Directory,
  isErrno,
  nanoseconds,
  openLongPath,
  sameName,
  SLASH,
  type Stat,
} from "../../linux/mod.ts";
import { duplicateFile, LINK_REFUSALS } from "../duplicate_file.ts";
import { componentsOf, type MemberPath, refusal } from "../../image/mod.ts";

/** The mode of a directory that no entry describes. */
const IMPLIED_MODE = 0o755;
/** Until its own mode is applied, at the end. */
const PRIVATE_MODE = 0o700;
const TOP = new Uint8Array();

/** What happens to a tree that its extraction must know. */
export interface TreeEvents {
  /** A directory is about to be made because an entry beneath it needs it. It may refuse. */
  implied(): void;
  /** What was at `path` was removed. */
  removed(path: MemberPath, stat: Stat): void;
  /** A file is about to be copied, because it can have no further name. It may refuse. */
  copying(stat: Stat): void;
}

/** Where an entry goes: a directory, which the tree closes, and a name in it. */
export interface Leaf {
  readonly dir: Directory;
  readonly name: Uint8Array;
  readonly path: MemberPath;
}

export class ExtractTree implements Disposable {
  readonly #top: Directory;
  readonly #events: TreeEvents;
  #parent: Directory;
  #parentPath: Uint8Array = TOP;
  /** The last copy of each file that can have no further name, by the file's identity. */
  readonly #copies = new Map<string, { readonly path: MemberPath; readonly stat: Stat }>();

  /** @param top stays open; the caller closes it */
  constructor(top: Directory, events: TreeEvents) {
    this.#top = top;
    this.#events = events;
    this.#parent = top;
  }

  [Symbol.dispose](): void {
    this.#setParent(this.#top, TOP);
  }

  /**
   * Where `path` goes, its parents made if they are missing. Valid until the next call.
   * @throws {DaemonError | SystemError} where a parent is a link or a file
   */
  leaf(path: MemberPath): Leaf {
    const { name, parent } = path;
    if (path.depth === 0) {
      throw refusal("it is not a directory, but has the name of the top directory");
    }
    if (!sameName(parent, this.#parentPath)) this.#setParent(this.#openOrMake(parent), parent);
    return { dir: this.#parent, name, path };
  }

  /** Opens a directory that is there; the caller closes it. @throws {DaemonError | SystemError} */
  open(path: Uint8Array): Directory {
    const { dir, rest } = this.#near(path);
    return openLongPath(dir, rest);
  }

  /**
   * Makes something at a leaf, after removing what is there.
   * @param make throws EEXIST where something is
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

  /** Removes what is at a leaf, if anything is. @throws {DaemonError | SystemError} */
  clear(leaf: Leaf): void {
    const stat = ifThere(() => leaf.dir.statEntry(leaf.name));
    if (stat) this.#remove(leaf, stat);
  }

  /** Makes a directory, unless there is one. @throws {DaemonError | SystemError} */
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
   * Makes `leaf` another name of what is at `target`.
   * @throws {DaemonError | SystemError} where that is not there, or a directory
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

  /**
   * Makes `leaf` another name of what is at `target`, or a copy of it where the file system takes
   * no more names of that file, or none of any. Names after that are names of the copy, so that
   * there are no more copies than it takes. Of what is no file, a copy would be another thing.
   * @throws {DaemonError | SystemError} as {@link link}
   */
  linkOrCopy(leaf: Leaf, target: MemberPath): "linked" | "copied" | "omitted" {
    const source = this.#copyOf(target) ?? target;
    try {
      this.link(leaf, source);
      return "linked";
    } catch (error) {
      if (!isErrno(error, ...LINK_REFUSALS)) throw error;
    }
    using parent = this.open(source.parent);
    const stat = parent.statEntry(source.name);
    if (!stat.isFile) return "omitted";
    this.#events.copying(stat);
    duplicateFile(parent, source.name, leaf.dir, leaf.name);
    const original = source === target ? stat : this.#statOf(target)!;
    this.#copies.set(original.identity, { path: leaf.path, stat: leaf.dir.statEntry(leaf.name) });
    return "copied";
  }

  /** The last copy of what is at a path, where both are what they were. */
  #copyOf(target: MemberPath): MemberPath | undefined {
    if (this.#copies.size === 0) return undefined;
    const original = this.#statOf(target);
    const copy = original && this.#copies.get(original.identity);
    const stat = copy && this.#statOf(copy.path);
    if (!original || !copy || !stat?.sameInode(copy.stat)) return undefined;
    const isSame = stat.size === original.size &&
      nanoseconds(stat.mtime) === nanoseconds(original.mtime);
    return isSame ? copy.path : undefined;
  }

  #statOf({ parent, name }: MemberPath): Stat | undefined {
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

  #setParent(parent: Directory, path: Uint8Array): void {
    if (this.#parent !== this.#top) this.#parent.close();
    this.#parent = parent;
    this.#parentPath = path;
  }

  #openOrMake(path: Uint8Array): Directory {
    if (path.length === 0) return this.#top;
    try {
      return this.open(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return this.#make(path);
      if (!isErrno(error, "ELOOP", "ENOTDIR")) throw error;
      throw this.#conflictIn(path) ?? error;
    }
  }

  #make(path: Uint8Array): Directory {
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
      return at;
    } catch (error) {
      at.close();
      throw error;
    }
  }

  /**
   * An open directory on the way to `path`, and the rest of the way. Entries mostly come in the
   * order of their tree, so that the way from the last one's parent is the shortest.
   */
  #near(path: Uint8Array): { dir: Directory; rest: Uint8Array } {
    const above = this.#parentPath;
    const isBelow = path[above.length] === SLASH &&
      sameName(path.subarray(0, above.length), above);
    return isBelow
      ? { dir: this.#parent, rest: path.subarray(above.length + 1) }
      : { dir: this.#top, rest: path };
  }

  /**
   * The deepest directory on the way to one that is not there, and what is missing of the way. It
   * is found by halving: a level that is missing costs an error, and a way can have many.
   */
  #deepest(path: Uint8Array): { dir: Directory; missing: Uint8Array } {
    const { dir: near, rest } = this.#near(path);
    const ends = [0];
    for (let at = rest.indexOf(SLASH); at >= 0; at = rest.indexOf(SLASH, at + 1)) ends.push(at);
    let dir = openLongPath(near, TOP);
    let there = 0;
    try {
      for (let missing = ends.length; missing - there > 1;) {
        const middle = (there + missing) >>> 1;
        const found = ifThere(() => openLongPath(near, rest.subarray(0, ends[middle])));
        if (found) {
          dir.close();
          dir = found;
          there = middle;
        } else {
          missing = middle;
        }
      }
    } catch (error) {
      dir.close();
      throw error;
    }
    return { dir, missing: there === 0 ? rest : rest.subarray(ends[there]! + 1) };
  }

  /** Says which component of a path that could not be resolved is in the way. */
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
