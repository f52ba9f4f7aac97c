/**
 * Keeps handles of the directories on a path of any depth, with a bounded number of descriptors.
 */

import type { Directory, Name } from "../linux/mod.ts";

/** The most handles that are kept open, the deepest ones. */
const MAX_OPEN = 64;

interface Level {
  readonly name: Name;
  handle: Directory | undefined;
}

/**
 * The path from a top directory to the current one, for depth-first walks: {@link enter} and {@link
 * leave} move it by one component. No path is ever joined, which would cost memory by the square of the
 * depth; `DirectoryCache` is for callers that have whole paths.
 */
export class HandleStack implements Disposable {
  readonly #top: Directory;
  readonly #levels: Level[] = [];

  /** @param top stays open; the caller closes it */
  constructor(top: Directory) {
    this.#top = top;
  }

  [Symbol.dispose](): void {
    for (const { handle } of this.#levels.splice(0)) handle?.close();
  }

  /**
   * The current directory's handle, valid until the next call. Opened again if it was closed
   * meanwhile.
   * @throws {SystemError}
   */
  get current(): Directory {
    const last = this.#levels.at(-1);
    return last ? last.handle ?? this.#reopen() : this.#top;
  }

  /** Goes down into a directory of the current one. @throws {SystemError} if it cannot be opened */
  enter(name: Name): Directory {
    const handle = this.current.openDirectory(name);
    this.#levels.push({ name, handle });
    const surplus = this.#levels[this.#levels.length - 1 - MAX_OPEN];
    if (surplus?.handle) {
      surplus.handle.close();
      surplus.handle = undefined;
    }
    return handle;
  }

  /** Goes up to the parent. */
  leave(): void {
    this.#levels.pop()?.handle?.close();
  }

  /** Opens the path again from the top, keeping as many of the deepest handles as may be open. */
  #reopen(): Directory {
    const { length } = this.#levels;
    let at = this.#top;
    let kept = true;
    for (const [depth, level] of this.#levels.entries()) {
      let next: Directory;
      try {
        next = at.openDirectory(level.name);
      } finally {
        if (!kept) at.close();
      }
      kept = length - depth <= MAX_OPEN;
      if (kept) {
        level.handle?.close();
        level.handle = next;
      }
      at = next;
    }
    return at;
  }
}
