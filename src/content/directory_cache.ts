import { compareBytes } from "../archive/mod.ts";
import { type Directory, isErrno, openLongPath, SLASH, splitLast } from "../linux/mod.ts";

/** While content is written, no one else is to look. */
const PRIVATE = 0o700;
/** Handles kept open. */
const MAX_OPEN = 64;

interface CachedDirectory {
  readonly path: Uint8Array;
  readonly dir: Directory;
}

/** Keeps the directories open that lead to the last one that was asked for by its path. */
export class DirectoryCache implements Disposable {
  readonly #top: Directory;
  readonly #stack: CachedDirectory[] = [];

  constructor(top: Directory) {
    this.#top = top;
  }

  /**
   * Opens the directory at `path`; the handle is valid until the next call.
   * @throws {SystemError}
   */
  open(path: Uint8Array): Directory {
    if (path.length === 0) return this.#top;
    const above = this.#nearest(path);
    if (above && above.path.length === path.length) return above.dir;
    const dir = above
      ? openLongPath(above.dir, path.subarray(above.path.length + 1))
      : openLongPath(this.#top, path);
    this.#push({ path, dir });
    return dir;
  }

  /** Opens the directory at `path` by a handle that the caller closes. @throws {SystemError} */
  openUncached(path: Uint8Array): Directory {
    return openLongPath(this.#top, path);
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
      dir.makeDirectory(name, PRIVATE);
    } catch (error) {
      // Another Worker needed it as a parent before.
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const { dir } of this.#stack.splice(0)) dir.close();
  }

  /**
   * Returns the deepest open directory at or above `path`; closes those that are not on the path.
   */
  #nearest(path: Uint8Array): CachedDirectory | undefined {
    for (let last = this.#stack.at(-1); last; last = this.#stack.at(-1)) {
      const { length } = last.path;
      const leads = length === path.length || length < path.length && path[length] === SLASH;
      if (leads && compareBytes(last.path, path.subarray(0, length)) === 0) return last;
      last.dir.close();
      this.#stack.pop();
    }
    return undefined;
  }

  #push(one: CachedDirectory): void {
    if (this.#stack.length === MAX_OPEN) this.#stack.shift()!.dir.close();
    this.#stack.push(one);
  }
}
