/** Adds the entries of a directory to its block, packing regular files on the way. */

import {
  type BlockBuilder,
  FLAG,
  KIND,
  kindOf,
  TEMPORARY_LAYER,
  type Xattr,
} from "../../../image/mod.ts";
import {
  type Descriptor,
  type Directory,
  isErrno,
  joinPath,
  type Stat,
} from "../../../linux/mod.ts";
import { readXattrs } from "../../read_xattrs.ts";
import type { PartStats } from "../part_stats.ts";
import type { RestoreRights } from "../restore_rights.ts";
import type { FilePacker, PackedFile } from "../write/file_packer.ts";
import type { ReusableContent } from "../write/reusable_content.ts";
import { PathFirst, type PreviousFile } from "./previous_file.ts";

/** Decides which Worker packs the content of an inode with several names. */
export interface InodeClaims {
  /** Returns whether the inode is the caller's to pack. */
  claim(stat: Stat): boolean;
}

/** Options of an {@link EntryRecorder}. */
export interface EntryRecorderOptions {
  readonly packer: FilePacker;
  readonly builder: BlockBuilder;
  readonly claims: InodeClaims;
  readonly stats: PartStats;
  readonly rights: RestoreRights;
  /** Files of this size and more are reported instead of packed. */
  readonly largeFileBytes: number;
  /** Content that need not be stored again, wherever it was; absent where all is stored. */
  readonly known?: ReusableContent | undefined;
  /**
   * Called for each file that is reported; who packs it marks what the last image had of it as stale.
   * @returns the key of its result
   */
  onLarge(path: Uint8Array): number;
}

/**
 * What has become of an entry: it is `other`, of another type by now; it is `replaced`, so that the content
 * which the last image has at its path is stale; or that content is `kept`, or may yet be.
 */
export type Outcome = "other" | "replaced" | "kept";

/** How {@link EntryRecorder.file} packs a file. */
export interface FileHow {
  /** Whether it has one name only, or its inode is claimed already. */
  readonly isMine?: boolean;
  /** What the last image has at its path, if that may be reused. */
  readonly previous?: PreviousFile | undefined;
}

/** The directory that an entry is in. */
export interface ParentDirectory {
  readonly dir: Directory;
  readonly path: Uint8Array;
}

const NO_TARGET = new Uint8Array(0);

/** Adds records of new and changed entries. Names are resolved by the directory's handle. */
export class EntryRecorder {
  readonly #options: EntryRecorderOptions;

  constructor(options: EntryRecorderOptions) {
    this.#options = options;
  }

  /** Packs a regular file, or reports or links it, and adds its record. */
  file(parent: ParentDirectory, name: Uint8Array, { isMine, previous }: FileHow = {}): Outcome {
    const { packer, claims, builder, stats, known } = this.#options;
    const path = joinPath(parent.path, name);
    const claim = isMine ? undefined : (stat: Stat) => stat.nlink < 2 || claims.claim(stat);
    const packed = packer.pack(parent.dir, name, path, {
      largeFileBytes: this.#options.largeFileBytes,
      claim,
      reusable: known && previous ? new PathFirst(previous, known) : known,
    });
    if (packed === "gone") return "replaced";
    if (packed === "other") return "other";
    if ("claimed" in packed) {
      this.link(name, packed.claimed, []);
      return "replaced";
    }
    if ("large" in packed) {
      this.#largeFile(path, name, packed.large, packed.xattrs);
      return "kept";
    }
    stats.addFile(packed.stat.size);
    if (packed.unstable) stats.addUnstable(path);
    addPackedFile(builder, name, packed);
    this.#options.rights.check(packed, () => path);
    return packed.isInPlace ? "kept" : "replaced";
  }

  /** Adds a further name of an inode that some part packs, or the merge does. */
  link(name: Uint8Array, stat: Stat, xattrs: readonly Xattr[]): void {
    const { builder, stats, packer } = this.#options;
    stats.addFile(stat.size);
    const location = { layer: TEMPORARY_LAYER.link, offset: 0, stored: 0 };
    const racy = packer.resyncIfRacy(stat);
    builder.add(stat, { kind: KIND.link, name, location, flags: FLAG.linked, xattrs, racy });
  }

  /** Adds a symlink, FIFO or device. @returns false if the entry is of another type by now */
  other({ dir, path }: ParentDirectory, name: Uint8Array): boolean {
    const { builder, stats, packer } = this.#options;
    let descriptor: Descriptor;
    try {
      descriptor = dir.openPath(name);
    } catch (error) {
      if (isErrno(error, "ENOENT", "EXDEV")) return true;
      throw error;
    }
    using entry = descriptor;
    const stat = entry.stat();
    const kind = kindOf(stat);
    if (kind === undefined || kind === KIND.file || kind === KIND.directory) return false;
    const link = kind === KIND.symlink ? readTarget(dir, name, entry) : NO_TARGET;
    if (!link) return false;
    stats.otherEntries++;
    const racy = packer.resyncIfRacy(stat);
    const flags = stat.nlink > 1 ? FLAG.linked : 0;
    const entryPath = () => joinPath(path, name);
    const xattrs = readXattrs(entry, () => stats.addUnstable(entryPath()));
    builder.add(stat, { kind, name, link, flags, xattrs, racy });
    this.#options.rights.check({ stat, xattrs }, entryPath);
    return true;
  }

  /** Adds the record that a large file's result replaces in the merge. */
  #largeFile(
    path: Uint8Array,
    name: Uint8Array,
    stat: Stat,
    xattrs: readonly Xattr[],
  ): void {
    const { builder, onLarge, rights } = this.#options;
    const location = { layer: TEMPORARY_LAYER.largeFile, offset: onLarge(path), stored: 0 };
    const flags = stat.nlink > 1 ? FLAG.linked : 0;
    builder.add(stat, { kind: KIND.file, name, location, flags, xattrs });
    rights.check({ stat, xattrs }, () => path);
  }
}

/**
 * Returns the target of a symlink that is open as `entry`; `undefined` if the name is another's.
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
export function addPackedFile(
  builder: BlockBuilder,
  name: Uint8Array,
  packed: PackedFile,
): void {
  const { stat, location, flags, xattrs, racy, content } = packed;
  builder.add(stat, { kind: KIND.file, name, location, flags, xattrs, content, racy });
}
