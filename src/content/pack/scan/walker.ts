/**
 * Walks directories and packs what is in them, one directory a call. Entries are named by the
 * directory's own handle, so that a directory that is moved meanwhile never leads to another path.
 */

import { DaemonError } from "../../../errors.ts";
import { type Block, KIND, kindOf, RECORD } from "../../../image/mod.ts";
import {
  type Directory,
  displayName,
  DT,
  isErrno,
  joinPath,
  openLongPath,
  PATH_MAX,
  sameName,
  type Stat,
} from "../../../linux/mod.ts";
import { CACHE_TAG, type Excludes } from "../exclude/excludes.ts";
import { readXattrs } from "../../read_xattrs.ts";
import {
  EntryRecorder,
  type EntryRecorderOptions,
  type Outcome,
  type ParentDirectory,
} from "./entry_recorder.ts";
import { NameList } from "./name_list.ts";
import type { PreviousDirectory, PreviousTree } from "./previous_tree.ts";

/** Options of a {@link Walker}. */
export interface WalkerOptions extends EntryRecorderOptions {
  readonly top: Directory;
  /** The previous image's tree; absent if everything is read. */
  readonly previous: PreviousTree | undefined;
  /** What is left out; absent for nothing. */
  readonly excludes?: Excludes | undefined;
  /** Called for each subdirectory found. */
  onDirectory(path: Uint8Array): void;
  /** Called before each entry; throws if the pack is cancelled. */
  tick(): void;
}

/** The directory that is being walked. */
interface CurrentDirectory extends ParentDirectory {
  readonly previous: PreviousDirectory | undefined;
  /** Which inodes have changed, if that is known; then its subdirectories are passed over. */
  readonly changed?: ReadonlySet<number> | undefined;
}

const NO_NAME = new Uint8Array(0);
/**
 * The longest path of a folder, in bytes: eight times what one system call takes. Every folder's
 * path is kept, so that a chain of folders costs memory by the square of its length.
 */
const MAX_PATH_BYTES: number = 8 * PATH_MAX;
/** How often an entry whose type changes is looked at. */
const MAX_ATTEMPTS = 5;

/** Builds blocks of directories, comparing them with the previous tree. */
export class Walker {
  readonly #options: WalkerOptions;
  readonly #recorder: EntryRecorder;
  readonly #names = new NameList();

  constructor(options: WalkerOptions) {
    this.#options = options;
    this.#recorder = new EntryRecorder(options);
  }

  /**
   * Packs the entries of one directory and builds its block. Does nothing if it is gone.
   * @param changed which inodes have changed, if that is known: then entries that were there before
   *   and are not among them are taken over without a look, and subdirectories are passed over
   * @throws {DaemonError} FAILED_PRECONDITION if the tree's top is gone
   * @throws {SystemError}
   */
  walk(path: Uint8Array, changed?: ReadonlySet<number>): void {
    const { previous: tree, stats } = this.#options;
    const wasThere = this.#directory(path, (dir) => {
      const previous = tree?.directory(path);
      if (previous) previous.onOmitted = (record) => this.#retainOmitted(previous.block, record);
      this.#entries({ dir, path, previous, changed });
    });
    if (wasThere) stats.directories++;
    else if (path.length === 0) {
      throw new DaemonError("FAILED_PRECONDITION", "the content was removed while it was packed", {
        reason: "CONTENT_MISSING",
      });
    }
  }

  /**
   * Packs the entries of a directory that has the same ones as before, of which some have changed:
   * the records of all others are taken over.
   * @param number the directory's in the previous tree
   * @param changed which inodes have changed
   * @throws {SystemError}
   */
  amend(number: number, changed: ReadonlySet<number>): void {
    const { previous: tree, top, builder, stats, rights } = this.#options;
    const previous = tree!.directoryAt(number);
    const { block } = previous;
    const path = block.path.slice();
    using dir = openLongPath(top, path);
    builder.begin(path, block.sockets);
    builder.copy(block, block.self);
    rights.checkRecord(block, block.self);
    stats.directories++;
    stats.addSockets(block.sockets);
    for (let record = block.first; record < block.end; record += RECORD) {
      this.#options.tick();
      const isLost = block.kind(record) === KIND.file && !previous.hasContent(record);
      if (block.isOmitted(record)) this.#retainOmitted(block, record);
      else if (!isLost && !changed.has(block.inodeNumber(record))) this.#retain(block, record);
      else {
        const name = block.name(record);
        if (!this.#entry({ dir, path, previous }, name, DT.UNKNOWN, record)) {
          previous.markStale(record);
        }
      }
    }
    builder.finish();
  }

  /** Takes over the record of an entry that the file system says has not changed. */
  #retain(block: Block, record: number): void {
    const { builder, stats, rights } = this.#options;
    stats.addRecord(block, record);
    if (block.kind(record) === KIND.link) return builder.copyLink(block, record);
    rights.checkRecord(block, record);
    builder.copy(block, record);
  }

  /**
   * Packs the entries that a walked directory has by now and had not before, and builds a block of
   * them, which the caller adds to the directory's.
   * @param isKnown whether the directory's block has an entry of that name
   * @throws {SystemError}
   */
  walkAgain(path: Uint8Array, isKnown: (name: Uint8Array) => boolean): void {
    this.#directory(path, (dir) => this.#entries({ dir, path, previous: undefined }, isKnown));
  }

  /** Builds the block of a directory. @returns false if it is gone */
  #directory(path: Uint8Array, addEntries: (dir: Directory) => void): boolean {
    const { top, builder, stats } = this.#options;
    let directory: Directory;
    try {
      directory = openLongPath(top, path);
    } catch (error) {
      if (isErrno(error, "EXDEV")) return this.#mountPoint(path);
      // It is gone, or of another type by now.
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return false;
      throw error;
    }
    using dir = directory;
    const stat = dir.stat();
    this.#names.read(dir);
    // A directory that was removed after it was opened lists nothing, but need not have been empty.
    if (this.#names.length === 0 && dir.stat().nlink === 0) return false;
    builder.begin(path);
    const xattrs = readXattrs(dir, () => stats.addUnstable(path));
    builder.add(stat, { kind: KIND.directory, name: NO_NAME, xattrs });
    this.#options.rights.check({ stat, xattrs }, () => path);
    addEntries(dir);
    builder.finish();
    return true;
  }

  /** Builds an empty block for a mount point: other file systems are not entered. */
  #mountPoint(path: Uint8Array): true {
    const { top, builder } = this.#options;
    using dir = top.openDirectory(path, { crossMounts: true });
    builder.begin(path);
    builder.add(dir.stat(), { kind: KIND.directory, name: NO_NAME });
    builder.finish();
    return true;
  }

  /** Retains an entry that is missing only because this node could not make it at the restore. */
  #retainOmitted(block: Block, record: number): void {
    this.#options.builder.copyOmitted(block, record);
    this.#options.stats.addRetainedOmission();
  }

  #entries(current: CurrentDirectory, isKnown?: (name: Uint8Array) => boolean): void {
    const names = this.#names;
    const { previous } = current;
    const { excludes } = this.#options;
    const isCache = current.path.length > 0 && excludes !== undefined && names.has(CACHE_TAG) &&
      excludes.isCache(current.dir);
    let last: Uint8Array = NO_NAME;
    for (let n = 0; n < names.length; n++) {
      this.#options.tick();
      const name = names.name(n);
      // A directory that changes while it is read may list a name twice.
      if (n > 0 && sameName(last, name)) continue;
      last = name;
      if (isKnown?.(name)) continue;
      const record = previous?.find(name);
      if (excludes && (isCache && !sameName(name, CACHE_TAG) || this.#ignores(current, n))) {
        this.#options.stats.addExcluded(joinPath(current.path, name));
        if (record !== undefined) previous!.markStale(record);
        continue;
      }
      if (record !== undefined && this.#isKnown(current, record, names.inode(n))) {
        this.#retain(previous!.block, record);
        continue;
      }
      const isReused = this.#entry(current, name, names.type(n), record);
      if (record !== undefined && !isReused) previous!.markStale(record);
    }
    previous?.finish();
  }

  /** Whether the patterns ignore the entry at position `n` of the list. */
  #ignores({ dir, path }: CurrentDirectory, n: number): boolean {
    const excludes = this.#options.excludes!;
    if (!excludes.hasPatterns) return false;
    const name = this.#names.name(n);
    const type = this.#names.type(n);
    const isDirectory = type === DT.UNKNOWN ? isDirectoryNow(dir, name) : type === DT.DIR;
    return excludes.ignores(joinPath(path, name), isDirectory);
  }

  /** Whether an entry is as its record says without a look, since its inode has not changed. */
  #isKnown({ previous, changed }: CurrentDirectory, record: number, inode: number): boolean {
    if (!changed || changed.has(inode)) return false;
    const { block } = previous!;
    const kind = block.kind(record);
    // A link's record does not tell whether it is another name of a file.
    return block.inodeNumber(record) === inode && !block.isOmitted(record) &&
      kind !== KIND.link && (kind !== KIND.file || previous!.hasContent(record));
  }

  /** Adds an entry. @returns whether the content of its previous record is kept, or may yet be */
  #entry(
    current: CurrentDirectory,
    name: Uint8Array,
    type: number,
    record: number | undefined,
  ): boolean {
    if (type === DT.DIR) {
      this.#subdirectory(current, name);
      return false;
    }
    if (type === DT.REG && record === undefined) {
      if (this.#recorder.file(current, name) !== "other") return false;
    }
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let stat: Stat;
      try {
        stat = current.dir.statEntry(name);
      } catch (error) {
        if (isErrno(error, "ENOENT")) return false;
        throw error;
      }
      if (record !== undefined && this.#unchanged(current, name, record, stat)) {
        return current.previous!.hasContent(record);
      }
      const outcome = this.#byStat(current, name, stat, record);
      if (outcome !== "other") return outcome === "kept";
    }
    return false;
  }

  /** Copies the previous record of an entry that has not changed. @returns whether it has not */
  #unchanged(
    { path, previous }: CurrentDirectory,
    name: Uint8Array,
    record: number,
    stat: Stat,
  ): boolean {
    const { builder, stats } = this.#options;
    const { block } = previous!;
    const kind = block.kind(record);
    const isOfKind = kind === KIND.link ? stat.isFile && stat.nlink > 1 : kind === kindOf(stat);
    if (!isOfKind || !block.isUnchanged(record, stat)) return false;
    if (kind === KIND.link) {
      this.#recorder.link(name, stat, block.xattrs(record));
      return true;
    }
    if (kind === KIND.file) {
      if (!previous!.hasContent(record)) return false;
      stats.addFile(stat.size);
    } else {
      stats.otherEntries++;
    }
    this.#options.rights.check(
      { stat, xattrs: block.xattrs(record) },
      () => joinPath(path, name),
    );
    builder.copy(block, record);
    return true;
  }

  /** Adds an entry by its type. */
  #byStat(
    current: CurrentDirectory,
    name: Uint8Array,
    stat: Stat,
    record: number | undefined,
  ): Outcome {
    if (stat.isDirectory) {
      this.#subdirectory(current, name);
      return "replaced";
    }
    if (stat.isFile) {
      if (stat.nlink < 2 || this.#options.claims.claim(stat)) {
        const previous = record === undefined ? undefined : current.previous!.file(record);
        return this.#recorder.file(current, name, { isMine: true, previous });
      }
      this.#recorder.link(name, stat, []);
      return "replaced";
    }
    if (kindOf(stat) === undefined) {
      this.#options.stats.addSockets(1);
      this.#options.builder.addSocket();
      return "replaced";
    }
    return this.#recorder.other(current, name) ? "replaced" : "other";
  }

  #subdirectory(current: CurrentDirectory, name: Uint8Array): void {
    if (current.changed) return;
    const path = joinPath(current.path, name);
    if (path.length > MAX_PATH_BYTES) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `cannot pack a folder whose path has more than ${MAX_PATH_BYTES} bytes: ` +
          `${displayName(path.subarray(0, 100))}…; move it further up`,
      );
    }
    this.#options.onDirectory(path);
  }
}

function isDirectoryNow(dir: Directory, name: Uint8Array): boolean {
  try {
    return dir.statEntry(name).isDirectory;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
