import { compareBytes } from "../archive/mod.ts";
import { type Directory, isErrno, openLongPath, SLASH, splitLast } from "../linux/mod.ts";

/** The mode of directories until their own metadata is set: only the daemon may enter them. */
const PRIVATE_MODE = 0o700;
/** The most handles that are kept open. */
const MAX_OPEN = 64;

interface CachedDirectory {
  readonly path: Uint8Array;
  readonly dir: Directory;
}

/**
 * Keeps the directories open that lead to the last one that was opened by its path. Callers that remove
 * or replace a directory must have opened its parent last: then no handle of it is kept.
 */
export class DirectoryCache implements Disposable {
  readonly #top: Directory;
  readonly #stack: CachedDirectory[] = [];

  /** @param top stays open; the caller closes it */
  constructor(top: Directory) {
    this.#top = top;
  }

  /**
   * Opens the directory at `path`; the handle is valid until the next call.
   * @throws {SystemError}
   */
  open(path: Uint8Array): Directory {
    if (path.length === 0) return this.#top;
    for (const { dir } of this.#stack.splice(this.#leading(path))) dir.close();
    const last = this.#stack.at(-1);
    if (last && last.path.length === path.length) return last.dir;
    const dir = this.openUncached(path);
    this.#push({ path, dir });
    return dir;
  }

  /** Opens the directory at `path` by a handle that the caller closes. @throws {SystemError} */
  openUncached(path: Uint8Array): Directory {
    const { dir, rest } = this.nearest(path);
    return openLongPath(dir, rest);
  }

  /**
   * Returns the deepest open directory at or above `path`, and the rest of the path from there. The
   * handle is valid until the next call of {@link open} or {@link make}.
   */
  nearest(path: Uint8Array): { dir: Directory; rest: Uint8Array } {
    const last = this.#stack[this.#leading(path) - 1];
    return last
      ? { dir: last.dir, rest: path.subarray(last.path.length + 1) }
      : { dir: this.#top, rest: path };
  }

  /**
   * Makes the directory at `path`, and its parents where they are missing.
   * @throws {SystemError}
   */
  make(path: Uint8Array): void {
    if (path.length === 0) return;
    const { parent, name } = splitLast(path);
    let dir: Directory;
    try {
      dir = this.open(parent);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      this.make(parent);
      dir = this.open(parent);
    }
    try {
      dir.makeDirectory(name, PRIVATE_MODE);
    } catch (error) {
      // Another Worker has made it, as a parent of an entry of its own.
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const { dir } of this.#stack.splice(0)) dir.close();
  }

  /** Returns how many of the open directories are at or above `path`: the first ones of the stack. */
  #leading(path: Uint8Array): number {
    for (let count = this.#stack.length; count > 0; count--) {
      const above = this.#stack[count - 1]!.path;
      const { length } = above;
      const ends = length === path.length || length < path.length && path[length] === SLASH;
      if (ends && compareBytes(above, path.subarray(0, length)) === 0) return count;
    }
    return 0;
  }

  #push(one: CachedDirectory): void {
    if (this.#stack.length === MAX_OPEN) this.#stack.shift()!.dir.close();
    this.#stack.push(one);
  }
}
