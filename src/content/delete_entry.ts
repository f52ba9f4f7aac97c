/**
 * Deletes trees that someone may still be writing to.
 *
 * Each entry is deleted through the handle of its directory, no link is followed and no other mount
 * entered: an entry that is replaced by a link meanwhile is unlinked as a link. Directories deeper
 * than {@link MAX_DEPTH} are first moved up to the trash, so that neither the stack nor the number
 * of descriptors grows with the depth of a tree.
 *
 * A subvolume of btrfs is deleted as a whole, after the subvolumes within. Without `CAP_SYS_ADMIN`
 * its entries are deleted one by one; directories that are too deep are then moved up to its top, since
 * nothing but whole subvolumes can be moved from one to another.
 */

import { DaemonError } from "../errors.ts";
import {
  destroySubvolume,
  Directory,
  DT,
  ignoreErrno,
  isBtrfs,
  isErrno,
  isSubvolumeTop,
  type Name,
  nestedSubvolumePath,
  nestedSubvolumes,
  openLongPath,
  setReadOnlySubvolume,
  SystemError,
} from "../linux/mod.ts";
import { deletionError } from "./deletion_error.ts";
import { newTreeName } from "./tree_names.ts";

const MAX_DEPTH = 32;
/** How often an entry is tried again because it changed while it was deleted. */
const ATTEMPTS = 1000;

/** Options of {@link deleteEntry}. */
export interface RemovalOptions {
  /** Group of the directories that are moved to the overflow; see `tree_names.ts`. */
  group?: string;
  /** Called after each deletion; returns whether to leave the rest for a later call. */
  isTimeUp?: () => boolean;
}

/**
 * The outcome for an entry that was to be deleted. `left`: time was up before all of it was
 * deleted.
 */
export type Removed = "deleted" | "absent" | "left";

/**
 * Deletes an entry and everything below it, passing over what cannot be deleted.
 * @param overflow a directory on the same file system that only this user can reach
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

/**
 * Deletes everything in a directory, like {@link deleteEntry}.
 * @throws {DaemonError} the first failure
 */
export function deleteContents(
  dir: Directory,
  overflow: Directory,
  options: RemovalOptions = {},
): Exclude<Removed, "absent"> {
  const removal = new Removal(overflow, options, dir);
  for (let attempt = 0; attempt < ATTEMPTS && removal.pass(dir); attempt++);
  removal.finish();
  return removal.stopped ? "left" : "deleted";
}

type Outcome = "deleted" | "absent" | "kept";

/** One deletion: the directories that were moved to the overflow, and the first failure. */
class Removal {
  readonly #overflow: Directory;
  /** Directories that were moved to `overflow`. */
  readonly #moved: string[] = [];
  readonly #options: RemovalOptions;
  readonly #isOnBtrfs: boolean;
  /** The directory that everything of a subvolume can be moved to: its top, or what is emptied. */
  #upper: Directory | undefined;
  #failure: unknown;
  /** Whether time was up before everything was deleted. */
  stopped = false;

  /** @param at a directory of the file system that is deleted from */
  constructor(overflow: Directory, options: RemovalOptions, at: Directory = overflow) {
    this.#overflow = overflow;
    this.#isOnBtrfs = isBtrfs(at);
    this.#options = options;
  }

  /** Deletes the entries that a directory has now. @returns whether it may have more by now */
  pass(dir: Directory): boolean {
    let found = false;
    this.#upper = dir;
    for (const { name, type } of dir.entries()) {
      found = true;
      this.entry(dir, name, type, 0);
    }
    this.#drain();
    return found && !this.stopped && this.#failure === undefined;
  }

  /** Throws the first failure, unless time was up: then the next call meets the failure again. */
  finish(): void {
    this.#drain();
    if (!this.stopped && this.#failure !== undefined) throw this.#failure;
  }

  #drain(): void {
    for (let name = this.#moved.pop(); name !== undefined; name = this.#moved.pop()) {
      this.entry(this.#overflow, name, DT.DIR, 0);
    }
  }

  /** Deletes one entry; {@link finish} throws what failed. */
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
        { reason: "DELETION_BLOCKED" },
      ),
    );
  }

  #directory(dir: Directory, name: Name, depth: number): Outcome {
    if (depth === MAX_DEPTH) return this.#moveUp(dir, name);
    {
      using inner = dir.openDirectory(name);
      if (!this.#isOnBtrfs || !isSubvolumeTop(inner.stat())) {
        if (!this.#contents(inner, depth)) return "kept";
      } else {
        const outcome = this.#subvolume(dir, name, inner, depth);
        if (outcome) return outcome;
      }
    }
    dir.removeDirectory(name);
    return this.#deleted();
  }

  /** Moves a directory to where it is deleted from a lesser depth. */
  #moveUp(dir: Directory, name: Name): Outcome {
    const moved = newTreeName(this.#options.group);
    try {
      dir.rename(name, this.#overflow, moved, { exclusive: true });
      this.#moved.push(moved);
    } catch (error) {
      if (!isErrno(error, "EXDEV") || !this.#upper) throw error;
      // It is deleted as an entry of that directory, which is not empty until then.
      dir.rename(name, this.#upper, moved, { exclusive: true });
    }
    return "deleted";
  }

  /**
   * Deletes a subvolume, or what is in it.
   * @param inner its top
   * @returns `undefined` where it is empty now and still to be removed
   */
  #subvolume(dir: Directory, name: Name, inner: Directory, depth: number): Outcome | undefined {
    try {
      destroySubvolume(dir, name);
      return this.#deleted();
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY", "EPERM", "EACCES")) throw error;
      ignoreErrno(["EPERM", "EACCES"], () => setReadOnlySubvolume(inner, false));
      if (error.errno === "ENOTEMPTY" && this.#nested(inner, depth) === "deleted") throw error;
    }
    const outer = this.#upper;
    this.#upper = inner;
    try {
      return this.#contents(inner, depth) ? undefined : "kept";
    } finally {
      this.#upper = outer;
    }
  }

  /** Deletes the subvolumes within one. @returns whether that is worth another attempt at the outer one */
  #nested(top: Directory, depth: number): Outcome {
    let outcome: Outcome = "deleted";
    for (const nested of nestedSubvolumes(top)) {
      try {
        const { parent, name } = nestedSubvolumePath(top, nested);
        using dir = openLongPath(top, parent);
        if (this.entry(dir, name, DT.DIR, depth + 1) === "kept") outcome = "kept";
      } catch (error) {
        // It was moved or deleted meanwhile.
        if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) continue;
        if (!isErrno(error, "ENAMETOOLONG", "ENOTTY")) throw error;
        outcome = "kept";
      }
    }
    return outcome;
  }

  #deleted(): Outcome {
    if (this.#options.isTimeUp?.()) this.stopped = true;
    return "deleted";
  }

  /** Deletes a directory's entries. @returns whether all that were listed are deleted */
  #contents(inner: Directory, depth: number): boolean {
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

/** Adds the owner's rights to a directory and an entry in it, for a daemon without privileges. */
function unlock(dir: Directory, name: Name): void {
  // The second attempt at the deletion reports what cannot be changed.
  ignoreErrno(["EPERM", "EACCES"], () => dir.chmod(0o700));
  unlockEntry(dir, name);
}

/**
 * Adds the owner's rights to an entry that is a directory: without them its owner cannot move it.
 */
export function unlockEntry(dir: Directory, name: Name): void {
  ignoreErrno(["EPERM", "EACCES", "ENOENT"], () => {
    using entry = dir.openPath(name);
    if (entry.stat().isDirectory) entry.chmod(0o700);
  });
}

/**
 * Makes an entry writable if it is a subvolume that is not, as its owner may have made it: it could
 * not be moved into another directory.
 */
export function makeWritable(dir: Directory, name: Name): void {
  ignoreErrno(["EPERM", "EACCES", "ENOENT", "ENOTTY", "EINVAL", "ENOTDIR", "ELOOP"], () => {
    using entry = dir.openDirectory(name);
    setReadOnlySubvolume(entry, false);
  });
}
