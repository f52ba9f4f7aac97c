/** Extracts plain archives, which anybody may have made: nothing in them is trusted unless somebody says so. */

import type { TarEntry, TarReader } from "../../archive/mod.ts";
import { type Directory, effectiveUser, isErrno, S, type Stat, timespec } from "../../linux/mod.ts";
import type { Abilities } from "../abilities.ts";
import type { OmissionKind } from "../omissions.ts";
import { NODE_REFUSALS } from "../restore/metadata_policy.ts";
import type { RestoreResult } from "../restore/restore_result.ts";
import { isUncommonTime, tryChown } from "../attributes.ts";
import { hostOwner } from "../id_map.ts";
import { takenBytes } from "../disk_usage.ts";
import { Budget } from "../budget.ts";
import {
  applyMetadata,
  type ApplyOptions,
  type Metadata,
  metadataOf,
  xattrBytes,
} from "./foreign_metadata.ts";
import { MAX_FOREIGN_DEPTH, type MemberPath, memberPath, refusal } from "../../image/mod.ts";
import { ExtractTree, type Leaf } from "./extract_tree.ts";
import { HardLinker } from "./hard_linker.ts";
import { entryError, extractionError } from "./extraction_error.ts";
import { writeContent } from "./write_content.ts";
import { OmissionLog } from "../omissions.ts";
import { DeferredMetadata } from "./deferred_metadata.ts";

/** The regular files that an extraction made. */
export interface ExtractStats {
  /** Regular files, whatever number of names each has. */
  files: number;
  /** Their apparent bytes. */
  contentBytes: number;
}

/** The result of an extraction: its files, what they take on disk, and what was left out. */
export type ExtractResult = ExtractStats & Pick<RestoreResult, "diskBytes" | "omitted">;

/** The most padding after the end marker that is read, to check a compressed stream to its end. */
const MAX_PADDING = 1024 * 1024 * 1024;
const BUFFER = 256 * 1024;
/** The kernel refuses targets of this size and more, on every file system. */
const MAX_TARGET_BYTES = 4096;
/** The text that an omission of trailing data has in place of a path. */
const END = new TextEncoder().encode("(after the end)");
/** Bytes of heap that a name in a set takes besides its own. */
const KEY_BYTES = 64;

/** Limits of an extraction, and callbacks. */
export interface ExtractLimits {
  /** The most bytes that may be taken on disk; absent for no limit but the disk. */
  readonly bytes?: number | undefined;
  /** Whether set-id bits, devices and privileged xattrs are made. */
  readonly trusted: boolean;
  /** Called between steps, of which one entry can need many. @throws {DaemonError} ABORTED */
  throwIfCancelled(): void;
  /** Called with the number of files so far. */
  report?: (files: number) => void;
}

/**
 * Extracts what `reader` reads below `top`. After a failure the caller deletes the tree.
 * @throws {DaemonError} FAILED_PRECONDITION (refused or malformed; the entry is named),
 *   RESOURCE_EXHAUSTED (a limit, quota or the disk), ABORTED (also by the reader's source)
 */
export function extractArchive(
  reader: TarReader,
  top: Directory,
  abilities: Abilities,
  limits: ExtractLimits,
): ExtractResult {
  using extraction = new Extraction(reader, top, abilities, limits);
  try {
    extraction.entries();
    return extraction.finish();
  } catch (error) {
    throw extractionError(error);
  }
}

/** One extraction in progress. */
class Extraction implements Disposable {
  readonly stats: ExtractStats = { files: 0, contentBytes: 0 };
  readonly #reader: TarReader;
  readonly #top: Directory;
  readonly #limits: ExtractLimits;
  readonly #tree: ExtractTree;
  readonly #linker: HardLinker;
  readonly #budget: Budget;
  readonly #omissions = new OmissionLog();
  readonly #applyOptions: ApplyOptions;
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #directories: DeferredMetadata<Metadata>;
  /** Paths of entries that were left out: hard links to them are left out too. */
  readonly #skipped = new Set<string>();

  constructor(reader: TarReader, top: Directory, abilities: Abilities, limits: ExtractLimits) {
    this.#reader = reader;
    const owners = effectiveUser().uid === 0;
    this.#applyOptions = { owners, abilities, omissions: this.#omissions };
    this.#top = top;
    this.#limits = limits;
    this.#budget = new Budget({ subject: "archive", limitBytes: limits.bytes });
    this.#directories = new DeferredMetadata((bytes) => this.#budget.keep(bytes));
    this.#tree = new ExtractTree(top, {
      implied: () => {
        limits.throwIfCancelled();
        this.#budget.directory();
      },
      removed: (path, stat) => this.#forget(path, stat),
    });
    this.#linker = new HardLinker(this.#tree, (stat) => {
      limits.throwIfCancelled();
      this.#budget.bytes(takenBytes(stat));
    });
  }

  [Symbol.dispose](): void {
    this.#tree[Symbol.dispose]();
  }

  entries(): void {
    for (let entry = this.#reader.next(); entry; entry = this.#reader.next()) {
      try {
        this.#entry(entry);
      } catch (error) {
        throw entryError(error, entry);
      }
    }
  }

  /** Sets the metadata of directories, and reads the archive to its end. */
  finish(): ExtractResult {
    this.#directories.apply(this.#top, (dir, metadata, path) => {
      this.#limits.throwIfCancelled();
      applyMetadata(dir, metadata, path, this.#applyOptions);
    });
    if (this.#reader.drain(MAX_PADDING)) this.#omissions.add("trailing-data", END);
    const { diskBytes } = this.#budget;
    return { ...this.stats, diskBytes, omitted: this.#omissions.done() };
  }

  #entry(entry: TarEntry): void {
    const path = memberPath(entry.path, "path", MAX_FOREIGN_DEPTH);
    switch (entry.type) {
      case "directory":
        return this.#directory(path, entry);
      case "file":
        return this.#file(this.#leaf(path), entry);
      case "symlink":
        return this.#symlink(this.#leaf(path), entry);
      case "hardlink":
        return this.#hardlink(path, entry);
      case "fifo":
        return this.#fifo(this.#leaf(path), entry);
      case "character-device":
      case "block-device":
        return this.#device(path, entry);
    }
  }

  #leaf(path: MemberPath): Leaf {
    if (this.#skipped.size > 0) this.#skipped.delete(path.key);
    return this.#tree.leaf(path);
  }

  #directory(path: MemberPath, entry: TarEntry): void {
    // The top directory exists before the extraction.
    if (path.depth === 0) this.#budget.link();
    else this.#budget.directory();
    this.#budget.bytes(entry.storedSize);
    const metadata = this.#metadata(entry);
    if (path.depth > 0) this.#tree.makeDirectory(this.#leaf(path));
    this.#budget.keep(xattrBytes(metadata));
    this.#directories.set(path, metadata);
  }

  #file(leaf: Leaf, entry: TarEntry): void {
    this.#budget.file(entry.storedSize);
    const metadata = this.#metadata(entry);
    using file = this.#tree.replace(leaf, ({ dir, name }) => dir.createFile(name));
    writeContent(file, entry, this.#reader, this.#buffer);
    applyMetadata(file, metadata, () => leaf.path.bytes, this.#applyOptions);
    this.stats.files++;
    this.#limits.report?.(this.stats.files);
    this.stats.contentBytes += entry.size;
  }

  /** Returns the metadata that is set, and counts its xattrs: they take space as content does. */
  #metadata(entry: TarEntry): Metadata {
    const metadata = metadataOf(entry, this.#limits.trusted);
    this.#budget.bytes(xattrBytes(metadata));
    return metadata;
  }

  #symlink(leaf: Leaf, entry: TarEntry): void {
    if (entry.linkPath.length === 0) throw refusal("it is a symbolic link without a target");
    this.#budget.symlink(entry.linkPath.length);
    this.#budget.bytes(entry.storedSize);
    try {
      this.#tree.replace(leaf, ({ dir, name }) => dir.symlink(entry.linkPath, name));
    } catch (error) {
      // XFS holds targets of 1,024 bytes, others of a block. What no file system holds is refused.
      const isLegal = entry.linkPath.length < MAX_TARGET_BYTES;
      if (!isLegal || !isErrno(error, "ENAMETOOLONG")) throw error;
      return this.#omit(leaf.path, "symlink");
    }
    this.#applyToEntry(leaf, entry);
  }

  /** Sets owner and times of an entry that cannot be opened. */
  #applyToEntry({ dir, name, path }: Leaf, { uid, gid, mtime }: TarEntry): void {
    const { owners } = this.#applyOptions;
    const owner = hostOwner({ uid, gid });
    const isOwned = !owners ||
      owner !== undefined && tryChown(() => dir.chownEntry(name, owner.uid, owner.gid));
    if (!isOwned) this.#omissions.add("owner", path.bytes);
    const time = timespec(mtime);
    dir.setEntryTimes(name, time);
    if (!isUncommonTime(time) || dir.statEntry(name).mtime.sec === time.sec) return;
    this.#omissions.add("time", path.bytes);
  }

  #hardlink(path: MemberPath, entry: TarEntry): void {
    const target = memberPath(entry.linkPath, "hard link's target", MAX_FOREIGN_DEPTH);
    this.#budget.link();
    this.#budget.bytes(entry.storedSize);
    if (this.#skipped.has(target.key)) return this.#skip(path, "link");
    const outcome = this.#linker.linkOrCopy(this.#leaf(path), target);
    if (outcome === "linked") return;
    if (outcome === "omitted") return this.#omit(path, "link");
    this.#omissions.add("copied-link", path.bytes);
    this.stats.files++;
  }

  #fifo(leaf: Leaf, entry: TarEntry): void {
    this.#budget.other();
    this.#budget.bytes(entry.storedSize);
    this.#tree.replace(leaf, ({ dir, name }) => dir.makeFifo(name, 0o600));
    this.#applyToNode(leaf, entry);
  }

  /** Sets owner, times and mode of a FIFO or device. */
  #applyToNode(leaf: Leaf, entry: TarEntry): void {
    const { mode, dropped } = metadataOf(entry, this.#limits.trusted);
    if (dropped.setId) this.#omissions.add("set-id", leaf.path.bytes);
    this.#applyToEntry(leaf, entry);
    using node = leaf.dir.openPath(leaf.name);
    node.chmod(mode);
  }

  /** Makes a device where that is allowed and this node can; else leaves it out. */
  #device(path: MemberPath, entry: TarEntry): void {
    this.#budget.link();
    this.#budget.bytes(entry.storedSize);
    if (!this.#limits.trusted) return this.#skip(path, "device");
    const leaf = this.#leaf(path);
    const type = entry.type === "character-device" ? S.IFCHR : S.IFBLK;
    const make = ({ dir, name }: Leaf) =>
      dir.makeDevice(name, type | 0o600, entry.devMajor, entry.devMinor);
    try {
      this.#tree.replace(leaf, make);
    } catch (error) {
      if (!isErrno(error, ...NODE_REFUSALS)) throw error;
      return this.#skip(path, "device");
    }
    this.#applyToNode(leaf, entry);
  }

  /** Leaves an entry out, and removes what an earlier entry of that name made. */
  #skip(path: MemberPath, kind: OmissionKind): void {
    this.#tree.clear(this.#leaf(path));
    this.#omit(path, kind);
  }

  #omit(path: MemberPath, kind: OmissionKind): void {
    if (!this.#skipped.has(path.key)) this.#budget.keep(path.bytes.length + KEY_BYTES);
    this.#skipped.add(path.key);
    this.#omissions.add(kind, path.bytes);
  }

  #forget(path: MemberPath, stat: Stat): void {
    if (stat.isDirectory) this.#directories.forget(path);
    // A file that has another name still exists.
    if (!stat.isFile || stat.nlink > 1) return;
    this.stats.files--;
    this.stats.contentBytes -= stat.size;
  }
}
