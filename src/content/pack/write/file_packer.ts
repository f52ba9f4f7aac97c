/**
 * Reads regular files into layers, while programs may be writing to them.
 *
 * Each file but the smallest is digested as it is stored. A small one is in memory then, behind its
 * header: where content with that digest is known, both are taken back. A large one is read once more
 * before that, but only where content of its size is known.
 */

import { createHash, type Hash } from "node:crypto";
import { encodeSparseMap } from "../../../archive/mod.ts";
import { sleepSync } from "../../../clock.ts";
import type { Extent } from "../../../extent.ts";
import { type Directory, type File, isErrno, type Name, O, type Stat } from "../../../linux/mod.ts";
import { sha256Into } from "../../../digest.ts";
import {
  buffers,
  CHUNKED_LAYER,
  ChunkList,
  DIGEST_BYTES,
  FLAG,
  type Location,
  tarEntry,
  type Xattr,
} from "../../../image/mod.ts";
import { readXattrs } from "../../read_xattrs.ts";
import type { ChunkedFile, ChunkedStream, FileChunker } from "./file_chunker.ts";
import { type FileSegment, isSegmentOf, type StoredSegment } from "./file_segment.ts";
import type { LayerWriter } from "./layer_writer.ts";
import type { ReusableContent } from "./reusable_content.ts";
import { sparseExtents } from "./sparse_extents.ts";

/** A file that was written into a layer, or whose content a layer of the last image has. */
export interface PackedFile {
  readonly stat: Stat;
  readonly xattrs: readonly Xattr[];
  readonly location: Location;
  /** Bits of {@link FLAG}. */
  readonly flags: number;
  /**
   * What the flags say of the content: the digest of its stored bytes, or the list of its chunks. A digest is
   * valid until the next file is packed.
   */
  readonly content: Uint8Array;
  /** See {@link ChunkedFile}. */
  readonly shared?: ChunkedFile["shared"];
  /** Whether a layer has it already, at the same path and with the same metadata. */
  readonly isInPlace: boolean;
  /** Whether it changed at each attempt to read it, or its xattrs could not be listed. */
  readonly unstable: boolean;
  /** Whether a later change may leave everything that `stat` says as it is. */
  readonly racy: boolean;
}

/**
 * Why a file was not packed: not claimed by this caller, too large, not a regular file, or gone.
 */
export type Unpacked =
  | { readonly claimed: Stat }
  | { readonly large: Stat; readonly xattrs: readonly Xattr[] }
  | "other"
  | "gone";

/** Options of {@link FilePacker.pack}. */
export interface PackFileOptions {
  /** Returns whether the inode is the caller's to pack. */
  readonly claim?: ((stat: Stat) => boolean) | undefined;
  /** Files of this size and more are reported instead of packed. */
  readonly largeFileBytes?: number;
  /** Content that need not be stored again; absent where all is stored. */
  readonly reusable?: ReusableContent | undefined;
}

/** Options of a {@link FilePacker}. */
export interface FilePackerOptions {
  /** When dirty pages were last written back, in milliseconds since the epoch. */
  readonly syncedAt: number;
  /** Writes back dirty pages again; see `syncDirtyPages`. @returns the new `syncedAt` */
  resync(): number;
  /** Called while it reads and waits; throws if the pack is cancelled. */
  tick(): void;
  /** Stores large files as chunks; absent where none is. */
  readonly chunker?: FileChunker | undefined;
}

/**
 * Smaller files, in stored bytes, have no digest and are stored again where they move. Of 50,000 files of
 * 200 bytes the digests, which cannot be compressed, were measured to take more than all else that is
 * stored, and a fifth of the CPU time.
 */
const MIN_DIGESTED_BYTES = 1 << 10;

/** How often a file that changes while it is read is read. */
const MAX_ATTEMPTS = 4;

/**
 * How long one packer waits in all for files that programs hold a write lease on (fcntl(2)), in
 * milliseconds. Opening such a file asks the holder to release it, and the kernel breaks the lease
 * after `lease-break-time`, 45 s by default.
 */
const LEASE_WAIT_MS = 60_000;
const LEASE_POLL_MS = 20;

/**
 * How far the kernel's clock for timestamps may lag, in milliseconds: a change so shortly after the
 * previous one may leave the same ctime. A ctime without a fraction is taken for one of a file
 * system that stores whole seconds, or every second one.
 */
const TICK_MS = 50;
const COARSE_TICK_MS = 2_100;

/**
 * Returns whether a change after `since` (milliseconds) may leave the ctime that an inode has now.
 */
export function isRacy(stat: Stat, since: number): boolean {
  const { sec, nsec } = stat.ctime;
  return sec * 1000 + nsec / 1e6 > since - (nsec === 0 ? COARSE_TICK_MS : TICK_MS);
}

/**
 * Racy files of this size together, in bytes, are worth {@link FilePacker.resyncIfRacy}'s wait: the
 * next pack reads less in less time, and a tiny pack must not wait each time.
 */
const RACY_BYTES = 1 << 20;
/** How often one packer waits: a file that changes continuously is racy after each wait. */
const MAX_RESYNCS = 2;

function isSame(a: Stat, b: Stat): boolean {
  return a.size === b.size &&
    a.ctime.nsec === b.ctime.nsec && a.ctime.sec === b.ctime.sec &&
    a.mtime.nsec === b.mtime.nsec && a.mtime.sec === b.mtime.sec;
}

/** Writes regular files into a writer's layers, reading a file again if it changes meanwhile. */
export class FilePacker {
  readonly #layers: LayerWriter;
  readonly #options: FilePackerOptions;
  #leaseWaitMs = LEASE_WAIT_MS;
  #syncedAt: number;
  #resyncs = 0;
  /** Size of the files that were racy since the last sync, in bytes. */
  #racyBytes = 0;
  /** O_NOATIME, until it is refused: only a file's owner and root may use it. */
  #noAtime: number = O.NOATIME;
  /** The digest of the file that was digested last. */
  readonly #digest = new Uint8Array(DIGEST_BYTES);
  filesRead = 0;
  bytesRead = 0;
  /** Bytes read so far, of files that are being read or were read again, too. */
  bytesCopied = 0;

  constructor(layers: LayerWriter, options: FilePackerOptions) {
    this.#layers = layers;
    this.#options = options;
    this.#syncedAt = options.syncedAt;
  }

  /**
   * Waits until a later change of a racy file would show in its ctime, and syncs dirty pages again, if
   * the next pack would otherwise read much because of racy files.
   * @param stat of a file that is read after this
   * @returns whether a later change may still leave everything that `stat` says as it is
   */
  resyncIfRacy(stat: Stat): boolean {
    if (!isRacy(stat, this.#syncedAt)) return false;
    this.#racyBytes += stat.size;
    if (this.#racyBytes < RACY_BYTES || this.#resyncs === MAX_RESYNCS) return true;
    const { sec, nsec } = stat.ctime;
    const wait = sec * 1000 + nsec / 1e6 + TICK_MS + 1 - Date.now();
    // Whole seconds would take too long to pass, and so would a clock that was set back.
    if (nsec === 0 || wait > 2 * TICK_MS) return true;
    this.#resyncs++;
    this.#racyBytes = 0;
    sleepSync(wait);
    this.#syncedAt = this.#options.resync();
    return isRacy(stat, this.#syncedAt);
  }

  /**
   * Packs the entry `name` of `dir`, which the archive has as `path`.
   * @throws {SystemError} where it cannot be read
   */
  pack(
    dir: Directory,
    name: Name,
    path: Uint8Array,
    options: PackFileOptions = {},
  ): PackedFile | Unpacked {
    let file: File;
    try {
      file = this.#openAwaitingLease(dir, name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return "gone";
      // A link, a socket, or another mount stands there.
      if (isErrno(error, "ELOOP", "ENXIO", "EXDEV", "ENOTDIR")) return "other";
      throw error;
    }
    try {
      return this.#packOpen(file, path, options);
    } finally {
      file.close();
    }
  }

  /**
   * Stores a segment of a large file that another part has cut.
   * @returns without chunks where the file is gone or not the same any more
   */
  packSegment(dir: Directory, name: Name, segment: FileSegment): StoredSegment {
    const { id, first } = segment;
    using file = this.#openIfThere(dir, name);
    if (!file || !isSegmentOf(segment, file.stat())) return { id, first };
    const chunks = this.#options.chunker!.packSegment(file, segment, (bytes) => {
      this.bytesCopied += bytes;
      this.#options.tick();
    });
    return isSegmentOf(segment, file.stat()) ? { id, first, chunks } : { id, first };
  }

  #openIfThere(dir: Directory, name: Name): File | undefined {
    try {
      return this.#openAwaitingLease(dir, name);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ELOOP", "ENXIO", "EXDEV", "ENOTDIR")) return undefined;
      throw error;
    }
  }

  /** Opens a file, waiting until no program holds a lease on it. */
  #openAwaitingLease(dir: Directory, name: Name): File {
    for (;;) {
      try {
        return this.#open(dir, name);
      } catch (error) {
        if (!isErrno(error, "EAGAIN") || this.#leaseWaitMs <= 0) throw error;
        this.#leaseWaitMs -= LEASE_POLL_MS;
        this.#options.tick();
        sleepSync(LEASE_POLL_MS);
      }
    }
  }

  #open(dir: Directory, name: Name): File {
    try {
      return dir.openFile(name, O.RDONLY | this.#noAtime);
    } catch (error) {
      if (!isErrno(error, "EPERM") || this.#noAtime === 0) throw error;
      this.#noAtime = 0;
      return dir.openFile(name, O.RDONLY);
    }
  }

  #packOpen(file: File, path: Uint8Array, options: PackFileOptions): PackedFile | Unpacked {
    const { claim, largeFileBytes = Infinity, reusable } = options;
    for (let attempt = 1;; attempt++) {
      const stat = file.stat();
      if (!stat.isFile) return "other";
      if (attempt === 1 && claim && !claim(stat)) return { claimed: stat };
      let isListed = true;
      const xattrs = readXattrs(file, () => isListed = false);
      if (stat.size >= largeFileBytes) return { large: stat, xattrs };
      this.resyncIfRacy(stat);
      const extents = sparseExtents(file, stat);
      const read = { file, path, stat, xattrs, stream: streamOf(stat, extents) };
      const written = this.#findLarge(read, reusable) ?? this.#writeChunks(read) ??
        this.#write(read, reusable);
      const same = isSame(stat, file.stat());
      if (same || attempt === MAX_ATTEMPTS) {
        this.filesRead++;
        this.bytesRead += written.location.stored;
        const { location, content, shared, isInPlace = false } = written;
        const flags = written.flags | (extents ? FLAG.sparse : 0) |
          (stat.nlink > 1 ? FLAG.linked : 0);
        const racy = !same || isRacy(stat, this.#syncedAt);
        const unstable = !same || !isListed;
        return {
          ...{ stat, xattrs, location, flags, content, isInPlace, unstable, racy },
          ...(shared ? { shared } : {}),
        };
      }
      written.undo();
    }
  }

  /** Stores a large file as chunks. @returns `undefined` for a file that is stored as a whole */
  #writeChunks({ file, path, stat, stream }: ReadFile): WrittenFile | undefined {
    const { chunker, tick } = this.#options;
    if (!chunker?.wants(stat.size)) return undefined;
    const { list: content, shared } = chunker.pack(file, { path, stat }, stream, (bytes) => {
      this.bytesCopied += bytes;
      tick();
    });
    const { count } = new ChunkList(content);
    const location = { layer: CHUNKED_LAYER, offset: count, stored: stream.stored };
    return {
      ...{ location, content, flags: FLAG.chunked },
      ...(shared ? { shared } : {}),
      // A chunk of another attempt is dead content of its pack, and mostly found again by this one.
      undo: () => {},
    };
  }

  /**
   * Digests a file that would not fit into a frame, where content of its size is known.
   * @returns the known place of its content; `undefined` where it is to be written
   */
  #findLarge(read: ReadFile, reusable: ReusableContent | undefined): WrittenFile | undefined {
    const { file, stat, stream } = read;
    if (!reusable || !this.#layers.exceedsFrame(sizeIn(read)) || !reusable.mayHave(stat.size)) {
      return undefined;
    }
    const hash = createHash("sha256").update(stream.head);
    const buffer = buffers.take();
    try {
      for (const { offset, length } of stream.extents) {
        for (let done = 0; done < length;) {
          this.#options.tick();
          const count = file.readAt(buffer.subarray(0, length - done), offset + done);
          // What is written instead is told by another digest.
          if (count === 0) return undefined;
          hash.update(buffer.subarray(0, count));
          done += count;
          this.bytesCopied += count;
        }
      }
    } finally {
      buffers.giveBack(buffer);
    }
    return findContent(read, hash.digest(), reusable);
  }

  /** Writes a file into the layer, unless its content turns out to be known. */
  #write(read: ReadFile, reusable: ReusableContent | undefined): WrittenFile {
    const { file, path, stat, xattrs, stream: { head, extents, stored } } = read;
    const layers = this.#layers;
    const mark = layers.begin(sizeIn(read));
    const offset = layers.header(tarEntry({
      type: "file",
      path,
      mode: stat.permissions,
      uid: stat.uid,
      gid: stat.gid,
      mtime: stat.mtime,
      size: stored,
      ...(head.length > 0 ? { sparseSize: stat.size } : {}),
      ...(xattrs.length ? { xattrs } : {}),
    }));
    const hash = mark.before && createHash("sha256").update(head);
    layers.write(head);
    for (const extent of extents) this.#copy(file, extent, hash);
    const location = { layer: layers.layer, offset, stored };
    const undo = () => layers.rewind(mark);
    if (stored < MIN_DIGESTED_BYTES) {
      layers.pad(stored);
      return { location, content: NO_CONTENT, flags: 0, undo };
    }
    const content = this.#digest;
    if (hash) content.set(hash.digest());
    else sha256Into(content, layers.since(offset));
    const found = hash ? undefined : findContent(read, content, reusable);
    if (found) {
      layers.rewind(mark);
      return found;
    }
    layers.pad(stored);
    return { location, content, flags: FLAG.digest, undo };
  }

  /** Copies an extent of the file; writes zeros for what the file has no more. */
  #copy(file: File, { offset, length }: Extent, hash: Hash | undefined): void {
    const layers = this.#layers;
    for (let done = 0; done < length;) {
      this.#options.tick();
      const space = layers.space();
      const part = space.subarray(0, length - done);
      const count = file.readAt(part, offset + done);
      if (count === 0) part.fill(0);
      const copied = count || part.length;
      hash?.update(part.subarray(0, copied));
      layers.advance(copied);
      done += copied;
      this.bytesCopied += count;
    }
  }
}

/** A file that is open, and what is known of it. */
interface ReadFile {
  readonly file: File;
  readonly path: Uint8Array;
  readonly stat: Stat;
  readonly xattrs: readonly Xattr[];
  readonly stream: FileStream;
}

/** What is stored of a file: for one with holes the sparse map and its extents, else one extent. */
interface FileStream extends ChunkedStream {
  /** Bytes of all. */
  readonly stored: number;
}

/** What has become of a file's content. */
interface WrittenFile extends Pick<PackedFile, "location" | "content" | "shared"> {
  /** What of `PackedFile.flags` describes the content. */
  readonly flags: number;
  readonly isInPlace?: boolean;
  undo(): void;
}

const NO_MAP = new Uint8Array(0);
const NO_CONTENT = new Uint8Array(0);

function streamOf(stat: Stat, sparse: readonly Extent[] | undefined): FileStream {
  const head = sparse ? encodeSparseMap(sparse, stat.size) : NO_MAP;
  const extents = sparse ?? [{ offset: 0, length: stat.size }];
  const stored = extents.reduce((sum, { length }) => sum + length, head.length);
  return { head, extents, stored };
}

/** Returns about how many bytes a layer takes of a file. */
function sizeIn({ path, xattrs, stream }: ReadFile): number {
  const names = xattrs.reduce((sum, x) => sum + 2 * x.name.length + x.value.length, path.length);
  return stream.stored + 3 * names;
}

/** Returns a file that need not be written, because its content is known. */
function findContent(
  { stat, xattrs, stream }: ReadFile,
  digest: Uint8Array,
  reusable: ReusableContent | undefined,
): WrittenFile | undefined {
  const found = reusable?.find({ stat, xattrs, digest, isSparse: stream.head.length > 0 });
  if (!found) return undefined;
  const { location, isDisplaced } = found;
  return {
    location,
    content: digest,
    flags: FLAG.digest | (isDisplaced ? FLAG.displaced : 0),
    isInPlace: !isDisplaced,
    undo: () => {},
  };
}
