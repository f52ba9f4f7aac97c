/**
 * Deleting trees that someone may still be writing to.
 *
 * Everything goes by the handle of the directory that an entry is in, nothing is followed, and no
 * other mount is entered: what is swapped for a link meanwhile is unlinked as the link it is.
 * Directories deeper than {@link MAX_DEPTH} are first moved up to the trash, so that neither the
 * stack nor the number of descriptors grows with the depth of a tree.
 */

import { DaemonError } from "../errors.ts";
import { Directory, DT, ignoreErrno, type Name, SystemError } from "../linux/mod.ts";
import { deletionError } from "./deletion_error.ts";
import { newTreeName } from "./tree_names.ts";

const MAX_DEPTH = 32;
/** How often a directory is gone through again because it was changed while it was deleted. */
const ATTEMPTS = 1000;

export interface RemovalOptions {
  /** Group that directories are given in the overflow; see `tree_names.ts`. */
  group?: string;
  /** Asked after each deletion: whether to leave the rest for another time. */
  isTimeUp?: () => boolean;
}

/** What became of an entry that was to be deleted. `left`: there was no time for all of it. */
export type Removed = "deleted" | "absent" | "left";

/**
 * Deletes an entry and all that is beneath it. What cannot be deleted does not keep the rest.
 * @param overflow a directory on the same file system that nobody else can reach
 * @throws {DaemonError} the first failure, naming the absolute path and what to do
 */
export function deleteEntry(
  dir: Directory,
  name: Name,
  overflow: Directory,
  options: RemovalOptions = {},
): Removed {
  const removal = new Removal(overflow, options);
  const outcome = removal.entry(dir, name, DT.UNKNOWN, 0);
  removal.finish();
  if (removal.stopped) return "left";
  return outcome === "absent" ? "absent" : "deleted";
}

/** Deletes all that a directory holds, like {@link deleteEntry}. */
export function deleteContents(
  dir: Directory,
  overflow: Directory,
  options: Pick<RemovalOptions, "group"> = {},
): void {
  const removal = new Removal(overflow, options);
  for (let attempt = 0; attempt < ATTEMPTS && removal.pass(dir); attempt++);
  removal.finish();
}

type Outcome = "deleted" | "absent" | "kept";

class Removal {
  readonly #overflow: Directory;
  /** Directories that were moved to `overflow`. */
  readonly #moved: string[] = [];
  readonly #options: RemovalOptions;
  #failure: unknown;
  /** Whether the time was up before everything was gone. */
  stopped = false;

  constructor(overflow: Directory, options: RemovalOptions) {
    this.#overflow = overflow;
    this.#options = options;
  }

  /** Deletes what is there now. @returns whether it is worth another look */
  pass(dir: Directory): boolean {
    let found = false;
    for (const { name, type } of dir.entries()) {
      found = true;
      this.entry(dir, name, type, 0);
    }
    this.#drain();
    return found && this.#failure === undefined;
  }

  /** @throws the first failure, unless there was no time for all of it: then it will be met again */
  finish(): void {
    this.#drain();
    if (!this.stopped && this.#failure !== undefined) throw this.#failure;
  }

  #drain(): void {
    for (let name = this.#moved.pop(); name !== undefined; name = this.#moved.pop()) {
      this.entry(this.#overflow, name, DT.DIR, 0);
    }
  }

  /** Deletes one entry; a failure is kept for {@link finish}. */
  entry(dir: Directory, name: Name, type: number, depth: number): Outcome {
    let isDirectory = type === DT.DIR;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (this.stopped) return "kept";
      try {
        if (isDirectory) return this.#directory(dir, name, depth);
        dir.unlink(name);
        return this.#deleted();
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        if (error.errno === "ENOENT") return attempt === 0 ? "absent" : "deleted";
        if (error.errno === "EISDIR") isDirectory = true;
        else if (error.errno === "ENOTDIR" || error.errno === "ELOOP") isDirectory = false;
        else if (error.errno === "EACCES" && attempt === 0) unlock(dir, name);
        else if (error.errno !== "ENOTEMPTY") return this.#fail(deletionError(error, dir, name));
      }
    }
    return this.#fail(
      new DaemonError(
        "FAILED_PRECONDITION",
        `cannot delete ${dir.locationOf(name)}: something keeps writing to it; stop that first`,
      ),
    );
  }

  #directory(dir: Directory, name: Name, depth: number): Outcome {
    if (depth === MAX_DEPTH) {
      const moved = newTreeName(this.#options.group);
      dir.rename(name, this.#overflow, moved, { exclusive: true });
      this.#moved.push(moved);
      return "deleted";
    }
    if (!this.#contents(dir, name, depth)) return "kept";
    dir.removeDirectory(name);
    return this.#deleted();
  }

  #deleted(): Outcome {
    if (this.#options.isTimeUp?.()) this.stopped = true;
    return "deleted";
  }

  /** @returns whether everything that was seen is gone */
  #contents(dir: Directory, name: Name, depth: number): boolean {
    using inner = dir.openDirectory(name);
    let gone = true;
    for (let batch = inner.readBatch(); batch; batch = inner.readBatch()) {
      for (const entry of batch) {
        if (this.stopped) return false;
        if (this.entry(inner, entry.name, entry.type, depth + 1) === "kept") gone = false;
      }
    }
    return gone;
  }

  #fail(failure: unknown): Outcome {
    this.#failure ??= failure;
    return "kept";
  }
}

/** Lets a user without privileges into their own directory, and change what is in it. */
function unlock(dir: Directory, name: Name): void {
  // Where it is not ours to change, the second attempt says so.
  ignoreErrno(["EPERM", "EACCES"], () => dir.chmod(0o700));
  unlockEntry(dir, name);
}

/** Lets a user without privileges change what their own directory of that name holds, or move it. */
export function unlockEntry(dir: Directory, name: Name): void {
  ignoreErrno(["EPERM", "EACCES", "ENOENT"], () => {
    using entry = dir.openPath(name);
    if (entry.stat().isDirectory) entry.chmod(0o700);
  });
}
