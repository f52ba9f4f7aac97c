import { ArchiveError, showName, type TarEntry, type TarReader } from "../../archive/mod.ts";
import { DaemonError } from "../../errors.ts";
import {
  type Directory,
  effectiveUser,
  type File,
  isErrno,
  type Stat,
  SystemError,
  timespec,
} from "../../linux/mod.ts";
import type { Abilities } from "../abilities.ts";
import type { OmissionKind } from "../omissions.ts";
import type { RestoreResult } from "../restore/restore_result.ts";
import { isUncommonTime, tryChown } from "../attributes.ts";
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
import { contentError } from "../content_errors.ts";
import { OmissionLog } from "../omissions.ts";
import { DeferredMetadata } from "./deferred_metadata.ts";

/** What an extraction made. */
export interface ExtractStats {
  /** Regular files, whatever number of names each has. */
  files: number;
  /** Their apparent bytes. */
  contentBytes: number;
}

/** The same, with what it took and left out. */
export type ExtractResult = ExtractStats & Pick<RestoreResult, "diskBytes" | "omitted">;

/** Padding after the end marker that is read, to check a compressed stream to its end. */
const MAX_PADDING = 1024 * 1024 * 1024;
const BUFFER = 256 * 1024;
/** The kernel takes targets shorter than this. */
const MAX_TARGET_BYTES = 4096;
/** Where trailing data is, for people. */
const END = new TextEncoder().encode("(after the end)");
/** Bytes of heap that a name in a set takes besides itself. */
const KEY_BYTES = 64;

export interface ExtractLimits {
  /** What may be taken on disk; absent for no limit but the disk. */
  readonly bytes?: number | undefined;
  /** Asked between the steps that an entry can make many of. @throws {DaemonError} ABORTED */
  throwIfCancelled(): void;
}

/**
 * Extracts what `reader` reads beneath `top`. After a failure the tree is to be thrown away.
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

class Extraction implements Disposable {
  readonly stats: ExtractStats = { files: 0, contentBytes: 0 };
  readonly #reader: TarReader;
  readonly #top: Directory;
  readonly #limits: ExtractLimits;
  readonly #tree: ExtractTree;
  readonly #budget: Budget;
  readonly #omissions = new OmissionLog();
  readonly #applyOptions: ApplyOptions;
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #directories: DeferredMetadata<Metadata>;
  /** Entries that are left out, so that hard links to them are too. */
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
      copying: (stat) => {
        limits.throwIfCancelled();
        this.#budget.bytes(takenBytes(stat));
      },
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

  /** Applies what had to wait, and reads the archive to its end. */
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
        this.#budget.link();
        this.#budget.bytes(entry.storedSize);
        return this.#skip(path, "device");
    }
  }

  #leaf(path: MemberPath): Leaf {
    if (this.#skipped.size > 0) this.#skipped.delete(path.key);
    return this.#tree.leaf(path);
  }

  #directory(path: MemberPath, entry: TarEntry): void {
    // The top folder is there already.
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
    if (entry.sparse) this.#sparseContent(file, entry);
    else this.#content(file);
    applyMetadata(file, metadata, () => leaf.path.bytes, this.#applyOptions);
    this.stats.files++;
    this.stats.contentBytes += entry.size;
  }

  /** Attributes take space as content does; how many entries there may be is limited by itself. */
  #metadata(entry: TarEntry): Metadata {
    const metadata = metadataOf(entry);
    this.#budget.bytes(xattrBytes(metadata));
    return metadata;
  }

  #content(file: File): void {
    for (let n = this.#reader.read(this.#buffer); n > 0; n = this.#reader.read(this.#buffer)) {
      file.write(this.#buffer.subarray(0, n));
    }
  }

  #sparseContent(file: File, entry: TarEntry): void {
    file.truncate(entry.size);
    for (const { offset, length } of entry.sparse ?? []) {
      for (let done = 0; done < length;) {
        const wanted = Math.min(BUFFER, length - done);
        const count = this.#reader.read(this.#buffer.subarray(0, wanted));
        file.writeAt(this.#buffer.subarray(0, count), offset + done);
        done += count;
      }
    }
  }

  #symlink(leaf: Leaf, entry: TarEntry): void {
    if (entry.linkPath.length === 0) throw refusal("it is a symbolic link without a target");
    this.#budget.symlink(entry.linkPath.length);
    this.#budget.bytes(entry.storedSize);
    try {
      this.#tree.replace(leaf, ({ dir, name }) => dir.symlink(entry.linkPath, name));
    } catch (error) {
      // XFS has room for 1,024 bytes of target where others have a block; longer than any is refused.
      const isForeign = entry.linkPath.length < MAX_TARGET_BYTES;
      if (!isForeign || !isErrno(error, "ENAMETOOLONG")) throw error;
      return this.#omit(leaf.path, "symlink");
    }
    this.#applyToEntry(leaf, entry);
  }

  /** Owner and times of what cannot be opened. */
  #applyToEntry({ dir, name, path }: Leaf, { uid, gid, mtime }: TarEntry): void {
    const { owners } = this.#applyOptions;
    const isGiven = !owners || tryChown(() => dir.chownEntry(name, uid, gid));
    if (!isGiven) this.#omissions.add("owner", path.bytes);
    const wanted = timespec(mtime);
    dir.setEntryTimes(name, wanted);
    if (!isUncommonTime(wanted) || dir.statEntry(name).mtime.sec === wanted.sec) return;
    this.#omissions.add("time", path.bytes);
  }

  #hardlink(path: MemberPath, entry: TarEntry): void {
    const target = memberPath(entry.linkPath, "hard link's target", MAX_FOREIGN_DEPTH);
    this.#budget.link();
    this.#budget.bytes(entry.storedSize);
    if (this.#skipped.has(target.key)) return this.#skip(path, "link");
    const how = this.#tree.linkOrCopy(this.#leaf(path), target);
    if (how === "linked") return;
    if (how === "omitted") return this.#omit(path, "link");
    this.#omissions.add("copied-link", path.bytes);
    this.stats.files++;
  }

  #fifo(leaf: Leaf, entry: TarEntry): void {
    this.#budget.other();
    this.#budget.bytes(entry.storedSize);
    const { mode, dropped } = metadataOf(entry);
    this.#tree.replace(leaf, ({ dir, name }) => dir.makeFifo(name, 0o600));
    if (dropped.setId) this.#omissions.add("set-id", leaf.path.bytes);
    this.#applyToEntry(leaf, entry);
    using fifo = leaf.dir.openPath(leaf.name);
    fifo.chmod(mode);
  }

  /** Leaves an entry out; what an earlier one made of its name goes, as if it had been replaced. */
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
    // What has another name is still there.
    if (!stat.isFile || stat.nlink > 1) return;
    this.stats.files--;
    this.stats.contentBytes -= stat.size;
  }
}

/** Failures that say what is wrong with the archive rather than with this node. */
const ARCHIVES_FAULT = [
  "E2BIG",
  "EEXIST",
  "EINVAL",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "ENOTEMPTY",
  "ERANGE",
  "EXDEV",
] as const;

function entryError(error: unknown, entry: TarEntry): unknown {
  const known = extractionError(error);
  if (!(known instanceof DaemonError) || known.code === "ABORTED") return known;
  // What the reader throws names the entry already.
  if (error instanceof ArchiveError) return known;
  return known.withContext(`entry ${showName(entry.path)} at offset ${entry.offset}`);
}

function extractionError(error: unknown): unknown {
  if (error instanceof ArchiveError) {
    const code = error.problem === "limit" ? "RESOURCE_EXHAUSTED" : "FAILED_PRECONDITION";
    return new DaemonError(code, error.message, { cause: error });
  }
  if (error instanceof SystemError && ARCHIVES_FAULT.some((errno) => errno === error.errno)) {
    return new DaemonError("FAILED_PRECONDITION", error.message, { cause: error });
  }
  return contentError(error);
}
