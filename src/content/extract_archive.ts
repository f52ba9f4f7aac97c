/**
 * Extracts a tar archive that anyone may have made.
 *
 * The tree becomes what GNU tar makes of the archive (`tar -xp --numeric-owner`), as far as that is
 * safe. What is not is refused, naming the entry: `..`, paths through a symbolic link, hard links to
 * what is not there. Devices are left out, set-id bits and attributes outside `user.` dropped.
 */

import { ArchiveError, showName, type TarEntry, type TarReader } from "../archive/reader.ts";
import { DaemonError } from "../errors.ts";
import {
  type Directory,
  effectiveUser,
  type File,
  type Stat,
  SystemError,
  timespec,
} from "../linux/mod.ts";
import { Budget } from "./extract_budget.ts";
import { applyMetadata, type Metadata, metadataOf } from "./extract_metadata.ts";
import { type MemberPath, memberPath, refusal } from "./extract_names.ts";
import { ExtractTree, type Leaf } from "./extract_tree.ts";
import { contentError } from "./failures.ts";

/** What an extraction made. */
export interface ExtractStats {
  /** Regular files, whatever number of names each has. */
  files: number;
  /** Their apparent bytes. */
  contentBytes: number;
}

/** Padding after the end marker that is read, to check a compressed stream to its end. */
const MAX_PADDING = 1024 * 1024 * 1024;
const BUFFER = 256 * 1024;

/**
 * Extracts what `reader` reads beneath `top`. After a failure the tree is to be thrown away.
 * @param limitBytes what may be written
 * @throws {DaemonError} FAILED_PRECONDITION (refused or malformed; the entry is named),
 *   RESOURCE_EXHAUSTED (a limit, quota or the disk), ABORTED (by the reader's source)
 */
export function extractArchive(
  reader: TarReader,
  top: Directory,
  limitBytes: number | undefined,
): ExtractStats {
  using extraction = new Extraction(reader, top, limitBytes);
  try {
    extraction.entries();
    extraction.finish();
    reader.drain(MAX_PADDING);
  } catch (error) {
    throw extractionError(error);
  }
  return extraction.stats;
}

class Extraction implements Disposable {
  readonly stats: ExtractStats = { files: 0, contentBytes: 0 };
  readonly #reader: TarReader;
  readonly #tree: ExtractTree;
  readonly #budget: Budget;
  readonly #owners = effectiveUser().uid === 0;
  readonly #buffer = new Uint8Array(BUFFER);
  /** Metadata of directories, which what is put in them would spoil; by path. */
  readonly #directories = new Map<string, { path: MemberPath; metadata: Metadata }>();
  /** Entries that are left out, so that hard links to them are too. */
  readonly #skipped = new Set<string>();

  constructor(reader: TarReader, top: Directory, limitBytes: number | undefined) {
    this.#reader = reader;
    this.#budget = new Budget(limitBytes);
    this.#tree = new ExtractTree(top, {
      implied: () => this.#budget.entry(),
      removed: (path, stat) => this.#forget(path, stat),
    });
  }

  [Symbol.dispose](): void {
    this.#tree[Symbol.dispose]();
  }

  entries(): void {
    for (let entry = this.#reader.next(); entry; entry = this.#reader.next()) {
      try {
        this.#budget.entry();
        this.#entry(entry);
      } catch (error) {
        throw entryError(error, entry);
      }
    }
  }

  /** Applies what had to wait, the deepest directories first. */
  finish(): void {
    const waiting = [...this.#directories.values()];
    waiting.sort((a, b) => b.path.components.length - a.path.components.length);
    for (const { path, metadata } of waiting) {
      using dir = this.#tree.open(path.bytes);
      applyMetadata(dir, metadata, this.#owners);
    }
  }

  #entry(entry: TarEntry): void {
    const path = memberPath(entry.path, "path");
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
        return this.#skip(path, entry);
    }
  }

  #leaf(path: MemberPath): Leaf {
    this.#skipped.delete(path.key);
    return this.#tree.leaf(path);
  }

  #directory(path: MemberPath, entry: TarEntry): void {
    this.#budget.bytes(entry.storedSize);
    if (path.components.length > 0) this.#tree.makeDirectory(this.#leaf(path));
    if (!this.#directories.has(path.key)) this.#budget.keep(path.key);
    this.#directories.set(path.key, { path, metadata: metadataOf(entry) });
  }

  #file(leaf: Leaf, entry: TarEntry): void {
    this.#budget.bytes(entry.storedSize);
    using file = this.#tree.replace(leaf, ({ dir, name }) => dir.createFile(name));
    if (entry.sparse) this.#sparseContent(file, entry);
    else this.#content(file);
    applyMetadata(file, metadataOf(entry), this.#owners);
    this.stats.files++;
    this.stats.contentBytes += entry.size;
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
    this.#tree.replace(leaf, ({ dir, name }) => dir.symlink(entry.linkPath, name));
    if (this.#owners) leaf.dir.chownEntry(leaf.name, entry.uid, entry.gid);
    leaf.dir.setEntryTimes(leaf.name, timespec(entry.mtime));
  }

  #hardlink(path: MemberPath, entry: TarEntry): void {
    const target = memberPath(entry.linkPath, "hard link's target");
    this.#budget.bytes(entry.storedSize);
    if (this.#skipped.has(target.key)) return this.#skip(path, entry);
    this.#tree.link(this.#leaf(path), target);
  }

  #fifo(leaf: Leaf, entry: TarEntry): void {
    this.#budget.bytes(entry.storedSize);
    const { uid, gid, mode, mtime } = metadataOf(entry);
    this.#tree.replace(leaf, ({ dir, name }) => dir.makeFifo(name, 0o600));
    if (this.#owners) leaf.dir.chownEntry(leaf.name, uid, gid);
    using fifo = leaf.dir.openPath(leaf.name);
    fifo.chmod(mode);
    leaf.dir.setEntryTimes(leaf.name, timespec(mtime));
  }

  /** Leaves an entry out; what an earlier one made of its name goes, as if it had been replaced. */
  #skip(path: MemberPath, entry: TarEntry): void {
    this.#budget.bytes(entry.storedSize);
    this.#tree.clear(this.#leaf(path));
    if (!this.#skipped.has(path.key)) this.#budget.keep(path.key);
    this.#skipped.add(path.key);
  }

  #forget(path: MemberPath, stat: Stat): void {
    if (stat.isDirectory) this.#directories.delete(path.key);
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
  return known.within(`entry ${showName(entry.path)} at offset ${entry.offset}`);
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
