/** Reads regular files into layers, while programs may be writing to them. */

import { encodeSparseMap } from "../../../archive/mod.ts";
import { sleepSync } from "../../../clock.ts";
import type { Extent } from "../../../extent.ts";
import { type Directory, type File, isErrno, type Name, O, type Stat } from "../../../linux/mod.ts";
import { CHUNKED_LAYER, ChunkList, FLAG, type Location, type Xattr } from "../../../image/mod.ts";
import { readXattrs } from "../../read_xattrs.ts";
import type { ChunkedStream, FileChunker } from "./file_chunker.ts";
import { tarEntry } from "./tar_entries.ts";
import type { LayerWriter } from "./layer_writer.ts";
import { sparseExtents } from "./sparse_extents.ts";

/** A file that was written into a layer. */
export interface PackedFile {
  readonly stat: Stat;
  readonly xattrs: readonly Xattr[];
  readonly location: Location;
  /** Bits of {@link FLAG}. */
  readonly flags: number;
  /** The list of its chunks, if it is stored as such. */
  readonly content?: Uint8Array;
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

/** What an attempt has written of a file. */
interface WrittenFile {
  readonly location: Location;
  readonly content?: Uint8Array;
  undo(): void;
}

/** Returns the stream that a file is stored as: a sparse one as its map and its data. */
export function streamOf(stat: Stat, extents: readonly Extent[] | undefined): ChunkedStream {
  return extents
    ? { head: encodeSparseMap(extents, stat.size), extents }
    : { head: new Uint8Array(), extents: [{ offset: 0, length: stat.size }] };
}

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
    for (let attempt = 1;; attempt++) {
      const stat = file.stat();
      if (!stat.isFile) return "other";
      if (attempt === 1 && options.claim && !options.claim(stat)) return { claimed: stat };
      let isListed = true;
      const xattrs = readXattrs(file, () => isListed = false);
      if (stat.size >= (options.largeFileBytes ?? Infinity)) return { large: stat, xattrs };
      this.resyncIfRacy(stat);
      const extents = sparseExtents(file, stat);
      const packed = this.#options.chunker?.wants(stat.size)
        ? this.#writeChunks(file, path, stat, extents)
        : this.#write(file, path, stat, xattrs, extents);
      const after = file.stat();
      const same = isSame(stat, after);
      if (same || attempt === MAX_ATTEMPTS) {
        this.filesRead++;
        this.bytesRead += packed.location.stored;
        const { location, content } = packed;
        const flags = (extents ? FLAG.sparse : 0) | (stat.nlink > 1 ? FLAG.linked : 0) |
          (content ? FLAG.chunked : 0);
        const racy = !same || isRacy(stat, this.#syncedAt);
        const unstable = !same || !isListed;
        return {
          ...{ stat, xattrs, location, flags, unstable, racy },
          ...(content ? { content } : {}),
        };
      }
      packed.undo();
    }
  }

  #writeChunks(
    file: File,
    path: Uint8Array,
    stat: Stat,
    extents: readonly Extent[] | undefined,
  ): WrittenFile {
    const { chunker, tick } = this.#options;
    const content = chunker!.pack(file, path, streamOf(stat, extents), (bytes) => {
      this.bytesCopied += bytes;
      tick();
    });
    const list = new ChunkList(content);
    let stored = 0;
    for (let n = 0; n < list.count; n++) stored += list.length(n);
    const location = { layer: CHUNKED_LAYER, offset: list.count, stored };
    // A chunk of another attempt is dead content of its pack, and mostly found again by this one.
    return { location, content, undo: () => {} };
  }

  #write(
    file: File,
    path: Uint8Array,
    stat: Stat,
    xattrs: readonly Xattr[],
    extents: readonly Extent[] | undefined,
  ): WrittenFile {
    const layers = this.#layers;
    const map = extents ? encodeSparseMap(extents, stat.size) : undefined;
    const data = extents ? extents.reduce((sum, s) => sum + s.length, 0) : stat.size;
    const stored = (map?.length ?? 0) + data;
    const names = xattrs.reduce((sum, x) => sum + 2 * x.name.length + x.value.length, path.length);
    const mark = layers.begin(stored + 3 * names);
    const offset = layers.header(tarEntry({
      type: "file",
      path,
      mode: stat.permissions,
      uid: stat.uid,
      gid: stat.gid,
      mtime: stat.mtime,
      size: stored,
      ...(map ? { sparseSize: stat.size } : {}),
      ...(xattrs.length ? { xattrs } : {}),
    }));
    if (map) layers.write(map);
    if (extents) { for (const { offset, length } of extents) this.#copy(file, offset, length); }
    else if (stat.size > 0) this.#copy(file, 0, stat.size);
    layers.pad(stored);
    return {
      location: { layer: layers.layer, offset, stored },
      undo: () => layers.rewind(mark),
    };
  }

  /** Copies an extent of the file; writes zeros for what the file has no more. */
  #copy(file: File, offset: number, length: number): void {
    const layers = this.#layers;
    for (let done = 0; done < length;) {
      this.#options.tick();
      const space = layers.space();
      const rest = length - done;
      const count = file.readAt(
        rest < space.length ? space.subarray(0, rest) : space,
        offset + done,
      );
      if (count === 0) return layers.zeros(rest);
      layers.advance(count);
      done += count;
      this.bytesCopied += count;
    }
  }
}
