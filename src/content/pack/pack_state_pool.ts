/** Reuses the shared memory of packs. */

import { SharedPackState } from "./shared_state.ts";

/** The least number of directories with bits, so that the memory fits the next pack. */
const MIN_DIRECTORIES = 1 << 16;

/**
 * Keeps the memory of packs that have ended for the next ones. The garbage collector does not count
 * shared memory: with fresh memory for each pack, a gigabyte accumulates before any thread
 * collects.
 */
export class PackStatePool {
  /** The number of parts of every pack. */
  readonly parts: number;
  readonly #free: SharedPackState[] = [];

  constructor(parts: number) {
    this.parts = parts;
  }

  /** Returns cleared state for a pack against a baseline of that many directories. */
  acquire(directories: number): SharedPackState {
    const fitting = this.#free.findLastIndex((state) => state.directories >= directories);
    if (fitting >= 0) return this.#free.splice(fitting, 1)[0]!;
    const size = Math.max(MIN_DIRECTORIES, directories);
    return new SharedPackState(SharedPackState.allocate(this.parts, size), this.parts);
  }

  /** Takes back state that no Worker uses any more, and clears it. */
  release(state: SharedPackState): void {
    state.clear();
    this.#free.push(state);
  }
}
