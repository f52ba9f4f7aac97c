/**
 * Walks directories and packs what is in them. One call a directory; everything is named beneath
 * the directory's own handle, so that what is swapped meanwhile leads nowhere else.
 */

import { DaemonError } from "../../../errors.ts";
import {
  type Block,
  type BlockBuilder,
  FLAG,
  KIND,
  kindOf,
  TEMPORARY_LAYER,
  type Xattr,
} from "../../../image/mod.ts";
import { readXattrs } from "../../read_xattrs.ts";
import {
  type Descriptor,
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
import type { FilePacker, PackedFile } from "../write/file_packer.ts";
import type { PreviousDirectory, PreviousTree } from "./previous_tree.ts";
import { NameList } from "./name_list.ts";
import type { PartStats } from "../part_stats.ts";
import type { RestoreRights } from "../restore_rights.ts";

/** Who packs the content of an inode with several names. */
export interface InodeClaims {
  /** Returns whether the inode is the caller's to pack. */
  claim(stat: Stat): boolean;
}

export interface WalkerOptions {
  readonly top: Directory;
  readonly packer: FilePacker;
  readonly builder: BlockBuilder;
  readonly claims: InodeClaims;
  readonly previous: PreviousTree | undefined;
  readonly stats: PartStats;
  readonly rights: RestoreRights;
  /** Files of this size and more are handed on instead of packed. */
  readonly largeFileBytes: number;
  /** Called for each directory found. */
  onDirectory(path: Uint8Array): void;
  /** Called for each file that is handed on. @returns the key of its result */
  onLarge(path: Uint8Array): number;
  /** Called before each entry; throws where the pack is cancelled. */
  tick(): void;
}

/** The directory that is being walked. */
interface CurrentDirectory {
  readonly dir: Directory;
  readonly path: Uint8Array;
  readonly previous: PreviousDirectory | undefined;
}

const NONE = new Uint8Array(0);
/**
 * The longest path of a folder, in bytes: eight times what one system call takes. Every folder's
 * path is kept, so that a chain of folders costs memory by the square of its length.
 */
const MAX_PATH = 8 * PATH_MAX;
/** How often an entry that turns into something else is looked at again. */
const MAX_RESCANS = 5;

export class Walker {
  readonly #options: WalkerOptions;
  readonly #names = new NameList();

  constructor(options: WalkerOptions) {
    this.#options = options;
  }

  /** Packs the entries of one directory and builds its block. @throws {SystemError} */
  walk(path: Uint8Array): void {
    const { previous: known, stats } = this.#options;
    const wasThere = this.#directory(path, (dir) => {
      const before = known?.directory(path);
      if (before) before.onOmitted = (record) => this.#retainOmitted(before.block, record);
      this.#entries({ dir, path, previous: before });
    });
    if (wasThere) stats.directories++;
    else if (path.length === 0) {
      throw new DaemonError("FAILED_PRECONDITION", "the content was removed while it was packed");
    }
  }

  /**
   * Does the same for what a directory has by now and had not when it was walked; its block is to
   * be added to the one that it has.
   * @throws {SystemError}
   */
  walkAgain(path: Uint8Array, isKnown: (name: Uint8Array) => boolean): void {
    this.#directory(path, (dir) => this.#entries({ dir, path, previous: undefined }, isKnown));
  }

  /** Builds the block of a directory. @returns whether it is there */
  #directory(path: Uint8Array, entries: (dir: Directory) => void): boolean {
    const { top, builder, stats } = this.#options;
    let dir: Directory;
    try {
      dir = openLongPath(top, path);
    } catch (error) {
      if (isErrno(error, "EXDEV")) return this.#mountPoint(path);
      // It is gone, or something else by now.
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return false;
      throw error;
    }
    try {
      const stat = dir.stat();
      this.#names.read(dir);
      // One that was removed since it was opened lists nothing, and need not have been empty.
      if (this.#names.length === 0 && dir.stat().nlink === 0) return false;
      builder.begin(path);
      const xattrs = readXattrs(dir, () => stats.addUnstable(path));
      builder.add(stat, { kind: KIND.directory, name: NONE, xattrs });
      this.#options.rights.check({ stat, xattrs }, () => path);
      entries(dir);
      builder.finish();
      return true;
    } finally {
      dir.close();
    }
  }

  /**
   * A directory where something else is mounted: it is kept, what is mounted there is not entered.
   */
  #mountPoint(path: Uint8Array): true {
    const { top, builder } = this.#options;
    using dir = top.openDirectory(path, { crossMounts: true });
    builder.begin(path);
    builder.add(dir.stat(), { kind: KIND.directory, name: NONE });
    builder.finish();
    return true;
  }

  /** Keeps an entry that is not in the tree only because this node could not make it. */
  #retainOmitted(block: Block, record: number): void {
    this.#options.builder.copyOmitted(block, record);
    this.#options.stats.addRetainedOmission();
  }

  #entries(here: CurrentDirectory, isKnown?: (name: Uint8Array) => boolean): void {
    const names = this.#names;
    let before: Uint8Array = NONE;
    for (let n = 0; n < names.length; n++) {
      this.#options.tick();
      const name = names.name(n);
      // A directory that changes while it is read may show a name twice.
      if (n > 0 && sameName(before, name)) continue;
      before = name;
      if (isKnown?.(name)) continue;
      const record = here.previous?.find(name);
      const isKept = this.#entry(here, name, names.type(n), record);
      if (record !== undefined && !isKept) here.previous!.markStale(record);
    }
    here.previous?.finish();
  }

  /** Adds an entry. @returns whether the content that was known of it is still its own */
  #entry(
    here: CurrentDirectory,
    name: Uint8Array,
    type: number,
    record: number | undefined,
  ): boolean {
    if (type === DT.DIR) {
      this.#announce(here, name);
      return false;
    }
    if (type === DT.REG && record === undefined) {
      if (this.#file(here, name)) return false;
    }
    for (let look = 0; look < MAX_RESCANS; look++) {
      let stat: Stat;
      try {
        stat = here.dir.statEntry(name);
      } catch (error) {
        if (isErrno(error, "ENOENT")) return false;
        throw error;
      }
      if (record !== undefined && this.#unchanged(here, name, record, stat)) {
        return here.previous!.hasContent(record);
      }
      if (this.#byStat(here, name, stat)) return false;
    }
    return false;
  }

  /** Takes over what is known of an entry that is as it was. @returns whether it is */
  #unchanged(here: CurrentDirectory, name: Uint8Array, record: number, stat: Stat): boolean {
    const { builder, stats } = this.#options;
    const known = here.previous!;
    const { block } = known;
    const kind = block.kind(record);
    const isOfKind = kind === KIND.link ? stat.isFile && stat.nlink > 1 : kind === kindOf(stat);
    if (!isOfKind || !block.isUnchanged(record, stat)) return false;
    if (kind === KIND.link) {
      this.#link(name, stat, block.xattrs(record));
      return true;
    }
    if (kind === KIND.file) {
      if (!known.hasContent(record)) return false;
      stats.addFile(stat.size);
    } else {
      stats.otherEntries++;
    }
    this.#options.rights.check(
      { stat, xattrs: block.xattrs(record) },
      () => joinPath(here.path, name),
    );
    builder.copy(block, record);
    return true;
  }

  /** Adds an entry by what it is. @returns false where it is something else by now */
  #byStat(here: CurrentDirectory, name: Uint8Array, stat: Stat): boolean {
    if (stat.isDirectory) {
      this.#announce(here, name);
      return true;
    }
    if (stat.isFile) {
      if (stat.nlink < 2 || this.#options.claims.claim(stat)) return this.#file(here, name, true);
      this.#link(name, stat, []);
      return true;
    }
    const kind = kindOf(stat);
    if (kind === undefined) {
      this.#options.stats.addSocket();
      return true;
    }
    return this.#other(here, name);
  }

  #announce(here: CurrentDirectory, name: Uint8Array): void {
    const path = joinPath(here.path, name);
    if (path.length > MAX_PATH) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `cannot pack a folder whose path has more than ${MAX_PATH} bytes: ` +
          `${displayName(path.subarray(0, 100))}…; move it further up`,
      );
    }
    this.#options.onDirectory(path);
  }

  /**
   * Packs a regular file.
   * @param isMine whether it has one name, or is claimed already
   * @returns false where it is no regular file
   */
  #file(here: CurrentDirectory, name: Uint8Array, isMine = false): boolean {
    const { packer, claims, builder, stats } = this.#options;
    const path = joinPath(here.path, name);
    const claim = isMine ? undefined : (stat: Stat) => stat.nlink < 2 || claims.claim(stat);
    const packed = packer.pack(here.dir, name, path, {
      largeFileBytes: this.#options.largeFileBytes,
      claim,
    });
    if (packed === "gone") return true;
    if (packed === "other") return false;
    if ("claimed" in packed) {
      this.#link(name, packed.claimed, []);
      return true;
    }
    if ("large" in packed) {
      const { large: stat, xattrs } = packed;
      const location = {
        layer: TEMPORARY_LAYER.largeFile,
        offset: this.#options.onLarge(path),
        stored: 0,
      };
      const flags = stat.nlink > 1 ? FLAG.linked : 0;
      builder.add(stat, { kind: KIND.file, name, location, flags, xattrs });
      this.#options.rights.check({ stat, xattrs }, () => path);
      return true;
    }
    stats.addFile(packed.stat.size);
    if (packed.unstable) stats.addUnstable(path);
    addPacked(builder, name, packed);
    this.#options.rights.check(packed, () => path);
    return true;
  }

  /** Another name of a file that is, or will be, packed elsewhere. */
  #link(name: Uint8Array, stat: Stat, xattrs: readonly Xattr[]): void {
    const { builder, stats, packer } = this.#options;
    stats.addFile(stat.size);
    const location = { layer: TEMPORARY_LAYER.link, offset: 0, stored: 0 };
    const racy = packer.resyncIfRacy(stat);
    builder.add(stat, { kind: KIND.link, name, location, flags: FLAG.linked, xattrs, racy });
  }

  /** Adds a symlink, FIFO or device. @returns false where it is something else by now */
  #other(here: CurrentDirectory, name: Uint8Array): boolean {
    const { builder, stats, packer } = this.#options;
    let entry: Descriptor;
    try {
      entry = here.dir.openPath(name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return true;
      if (isErrno(error, "EXDEV")) return true;
      throw error;
    }
    try {
      const stat = entry.stat();
      const kind = kindOf(stat);
      if (kind === undefined || kind === KIND.file || kind === KIND.directory) return false;
      const link = kind === KIND.symlink ? readTarget(here.dir, name, entry) : NONE;
      if (!link) return false;
      stats.otherEntries++;
      const racy = packer.resyncIfRacy(stat);
      const flags = stat.nlink > 1 ? FLAG.linked : 0;
      const path = () => joinPath(here.path, name);
      const xattrs = readXattrs(entry, () => stats.addUnstable(path()));
      builder.add(stat, { kind, name, link, flags, xattrs, racy });
      this.#options.rights.check({ stat, xattrs }, path);
      return true;
    } finally {
      entry.close();
    }
  }
}

/**
 * The text of a symlink that is also open as `entry`; `undefined` where the name is another's by
 * now.
 */
function readTarget(dir: Directory, name: Uint8Array, entry: Descriptor): Uint8Array | undefined {
  try {
    const target = dir.readLink(name);
    return dir.statEntry(name).sameInode(entry.stat()) ? target : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

/** Adds the record of a packed file. */
export function addPacked(builder: BlockBuilder, name: Uint8Array, packed: PackedFile): void {
  const { stat, location, flags, xattrs, racy } = packed;
  builder.add(stat, { kind: KIND.file, name, location, flags, xattrs, racy });
}
