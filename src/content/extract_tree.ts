/**
 * The tree that an archive is extracted into.
 *
 * Parents are resolved beneath the top by handles that follow no link, so an entry cannot go through
 * a symbolic link, whoever made it. What an entry replaces is replaced as GNU tar does it: anything
 * but a directory that is not empty.
 */

import { showName } from "../archive/reader.ts";
import type { DaemonError } from "../errors.ts";
import { Directory, isErrno, type Stat, SystemError } from "../linux/mod.ts";
import { type MemberPath, pathOf, refusal } from "./extract_names.ts";

/** The mode of a directory that no entry describes. */
const IMPLIED_MODE = 0o755;
/** Until its own mode is applied, at the end. */
const PRIVATE_MODE = 0o700;
/** Bytes of path that are handed to one call; the kernel takes 4095. */
const PATH_STEP = 4000;
const SLASH = 0x2f;

/** What happens to a tree that its extraction must know. */
export interface TreeEvents {
  /** A directory is about to be made because an entry beneath it needs it. */
  implied(): void;
  /** What was at `path` was removed. */
  removed(path: MemberPath, stat: Stat): void;
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
  #parentKey = "";

  /** @param top stays open; the caller closes it */
  constructor(top: Directory, events: TreeEvents) {
    this.#top = top;
    this.#events = events;
    this.#parent = top;
  }

  [Symbol.dispose](): void {
    this.#setParent(this.#top, "");
  }

  /**
   * Where `path` goes, its parents made if they are missing. Valid until the next call.
   * @throws {DaemonError | SystemError} where a parent is a link or a file
   */
  leaf(path: MemberPath): Leaf {
    const name = path.components.at(-1);
    if (!name) throw refusal("it is not a directory, but has the name of the top directory");
    const key = path.key.slice(0, Math.max(0, path.key.length - name.length - 1));
    if (key !== this.#parentKey) {
      const parent = path.bytes.subarray(0, key.length);
      this.#setParent(this.#openOrMake(parent, path.components.slice(0, -1)), key);
    }
    return { dir: this.#parent, name, path };
  }

  /** Opens a directory that is there; the caller closes it. @throws {DaemonError | SystemError} */
  open(path: Uint8Array): Directory {
    let at = this.#top.openDirectory(".");
    for (let rest = path; rest.length > 0;) {
      using left = at;
      const whole = rest.length <= PATH_STEP;
      const end = whole ? rest.length : rest.lastIndexOf(SLASH, PATH_STEP);
      at = left.openDirectory(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    return at;
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
    const name = target.components.at(-1);
    if (!name) throw refusal("it is a hard link to the top directory");
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

  #targetParent(target: MemberPath): Directory | undefined {
    const parent = pathOf(target.components.slice(0, -1));
    try {
      return this.open(parent.bytes);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      if (!isErrno(error, "ELOOP", "ENOTDIR")) throw error;
      throw this.#obstacle(parent.components) ?? error;
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

  #setParent(parent: Directory, key: string): void {
    if (this.#parent !== this.#top) this.#parent.close();
    this.#parent = parent;
    this.#parentKey = key;
  }

  #openOrMake(path: Uint8Array, components: readonly Uint8Array[]): Directory {
    if (path.length === 0) return this.#top;
    try {
      return this.open(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return this.#make(components);
      if (!isErrno(error, "ELOOP", "ENOTDIR")) throw error;
      throw this.#obstacle(components) ?? error;
    }
  }

  #make(components: readonly Uint8Array[]): Directory {
    let at = this.#top.openDirectory(".");
    let made = 0;
    try {
      for (const name of components) {
        made++;
        using left = at;
        at = this.#step(left, name);
      }
      return at;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw this.#obstacle(components.slice(0, made)) ?? error;
    }
  }

  #step(dir: Directory, name: Uint8Array): Directory {
    try {
      return dir.openDirectory(name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    this.#events.implied();
    dir.makeDirectory(name, PRIVATE_MODE);
    const made = dir.openDirectory(name);
    made.chmod(IMPLIED_MODE);
    return made;
  }

  /** Says which component of a path that could not be resolved is in the way. */
  #obstacle(components: readonly Uint8Array[]): DaemonError | undefined {
    let at = this.#top.openDirectory(".");
    try {
      for (const [i, name] of components.entries()) {
        using left = at;
        const stat = ifThere(() => left.statEntry(name));
        if (!stat) return undefined;
        const where = showName(pathOf(components.slice(0, i + 1)).bytes);
        if (stat.isSymlink) return refusal(`its path goes through the symbolic link ${where}`);
        if (!stat.isDirectory) {
          return refusal(`its path goes through ${where}, which is no directory`);
        }
        at = left.openDirectory(name);
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
