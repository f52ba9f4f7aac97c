/** Handles of the directories on a way of any depth, with a bounded number of descriptors. */

import type { Directory, Name } from "../linux/mod.ts";

/** Handles that are kept open at most, the deepest ones. */
const OPEN = 64;

interface Level {
  readonly name: Name;
  handle: Directory | undefined;
}

/** The way from a top to where someone is beneath it. */
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
   * The deepest directory, good until the next call. It is opened again where it was closed meanwhile.
   * @throws {SystemError}
   */
  get current(): Directory {
    const last = this.#levels.at(-1);
    return last ? last.handle ?? this.#reopen() : this.#top;
  }

  /** Goes down to a directory of the deepest one. @throws {SystemError} where it cannot be opened */
  enter(name: Name): Directory {
    const handle = this.current.openDirectory(name);
    this.#levels.push({ name, handle });
    const far = this.#levels[this.#levels.length - 1 - OPEN];
    if (far?.handle) {
      far.handle.close();
      far.handle = undefined;
    }
    return handle;
  }

  /** Goes up again. */
  leave(): void {
    this.#levels.pop()?.handle?.close();
  }

  /** Opens the way again from the top, and with the deepest those above it that may be kept open. */
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
      kept = length - depth <= OPEN;
      if (kept) {
        level.handle?.close();
        level.handle = next;
      }
      at = next;
    }
    return at;
  }
}
