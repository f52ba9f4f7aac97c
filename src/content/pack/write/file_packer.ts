import { encodeSparseMap, MAX_EXTENTS } from "../../../archive/mod.ts";
import type { Extent } from "../../../extent.ts";
import { type Directory, type File, isErrno, type Name, O, type Stat } from "../../../linux/mod.ts";
import { FLAG, type Location, type Xattr } from "../../../image/mod.ts";
import { readXattrs } from "../../read_xattrs.ts";
import { tarEntry } from "./tar_entries.ts";
import type { LayerWriter } from "./layer_writer.ts";

/** A file that is in a layer. */
export interface PackedFile {
  readonly stat: Stat;
  readonly xattrs: readonly Xattr[];
  readonly location: Location;
  /** Of {@link FLAG}. */
  readonly flags: number;
  /** Whether it changed each time that it was read, or its attributes could not be listed. */
  readonly unstable: boolean;
  /** Whether a later change may not show in what `stat` says. */
  readonly racy: boolean;
}

/**
 * A file that was not packed: another's to pack, too large for here, no regular file, or not there.
 */
export type Unpacked =
  | { readonly claimed: Stat }
  | { readonly large: Stat; readonly xattrs: readonly Xattr[] }
  | "other"
  | "gone";

export interface PackFileOptions {
  /** Asked whether the inode is the caller's to pack. */
  readonly claim?: ((stat: Stat) => boolean) | undefined;
  /** Files of this size and more are left for another call. */
  readonly largeFileBytes?: number;
}

export interface FilePackerOptions {
  /** See {@link PackJob}. */
  readonly syncedAt: number;
  /** Writes back every dirty page; see `syncDirtyPages`. */
  resync(): number;
  /** Called while it reads and waits; throws where the pack is cancelled. */
  tick(): void;
}

const ATTEMPTS = 4;

/**
 * How long one packer waits for files that programs hold a write lease on (fcntl(2)), in all, in
 * milliseconds. Opening such a file asks its holder to let go, and the kernel takes the lease away
 * after `lease-break-time`, 45 s unless it was changed.
 */
const LEASE_WAIT_MS = 60_000;
const LEASE_POLL_MS = 20;

/**
 * How far back the kernel's clock for timestamps may lie, in milliseconds: a change that comes so
 * shortly after the last one may leave the same ctime. File systems that keep whole seconds (or
 * two) show it by a ctime without a fraction.
 */
const TICK_MS = 50;
const COARSE_TICK_MS = 2_100;

/**
 * Whether a change after `since`, in milliseconds, might not show in the ctime that an inode has
 * now.
 */
export function isRacy(stat: Stat, since: number): boolean {
  const { sec, nsec } = stat.ctime;
  return sec * 1000 + nsec / 1e6 > since - (nsec === 0 ? COARSE_TICK_MS : TICK_MS);
}

/**
 * What may be read again by the next pack for want of {@link FilePacker.resyncIfRacy}, in bytes: so
 * much costs less than waiting for it, which a tiny pack would have to do each time.
 */
const RACY_BYTES = 1 << 20;
/** How often one packer waits: what changes all the while is racy whenever it is looked at. */
const MAX_RESYNCS = 2;

/** Nobody ever changes it: waiting on it is a pause. */
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4));

function isSame(a: Stat, b: Stat): boolean {
  return a.size === b.size &&
    a.ctime.nsec === b.ctime.nsec && a.ctime.sec === b.ctime.sec &&
    a.mtime.nsec === b.mtime.nsec && a.mtime.sec === b.mtime.sec;
}

export class FilePacker {
  readonly #layers: LayerWriter;
  readonly #options: FilePackerOptions;
  #leaseWaitMs = LEASE_WAIT_MS;
  #syncedAt: number;
  #resyncs = 0;
  /** Of files that were racy since the last sync. */
  #racyBytes = 0;
  /** Not to change access times; only owners and root may ask for it. */
  #noAtime: number = O.NOATIME;
  filesRead = 0;
  bytesRead = 0;

  constructor(layers: LayerWriter, options: FilePackerOptions) {
    this.#layers = layers;
    this.#options = options;
    this.#syncedAt = options.syncedAt;
  }

  /**
   * Waits, where `stat` is of a file that was changed so shortly before that a later change might
   * not show in its ctime, until one would, if the next pack would read much again because of that.
   * @returns whether a change might still not show in what `stat` says, of a file that is read
   *   after this
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
    if (wait > 0) Atomics.wait(SLEEP_CELL, 0, 0, wait);
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

  /** Opens a file as soon as nobody holds a lease on it. */
  #openAwaitingLease(dir: Directory, name: Name): File {
    for (;;) {
      try {
        return this.#open(dir, name);
      } catch (error) {
        if (!isErrno(error, "EAGAIN") || this.#leaseWaitMs <= 0) throw error;
        this.#leaseWaitMs -= LEASE_POLL_MS;
        this.#options.tick();
        Atomics.wait(SLEEP_CELL, 0, 0, LEASE_POLL_MS);
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
      let listed = true;
      const xattrs = readXattrs(file, () => listed = false);
      if (stat.size >= (options.largeFileBytes ?? Infinity)) return { large: stat, xattrs };
      this.resyncIfRacy(stat);
      const extents = sparseExtents(file, stat);
      const packed = this.#write(file, path, stat, xattrs, extents);
      const after = file.stat();
      const same = isSame(stat, after);
      if (same || attempt === ATTEMPTS) {
        this.filesRead++;
        this.bytesRead += packed.location.stored;
        const flags = (extents ? FLAG.sparse : 0) | (stat.nlink > 1 ? FLAG.linked : 0);
        const racy = !same || isRacy(stat, this.#syncedAt);
        const unstable = !same || !listed;
        return { stat, xattrs, location: packed.location, flags, unstable, racy };
      }
      packed.undo();
    }
  }

  #write(
    file: File,
    path: Uint8Array,
    stat: Stat,
    xattrs: readonly Xattr[],
    extents: readonly Extent[] | undefined,
  ): { location: Location; undo(): void } {
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

  /** Copies a range of the file; what it no longer has becomes zeros. */
  #copy(file: File, offset: number, length: number): void {
    const layers = this.#layers;
    for (let done = 0; done < length;) {
      this.#options.tick();
      const space = layers.space();
      const wanted = length - done;
      const count = file.readAt(
        wanted < space.length ? space.subarray(0, wanted) : space,
        offset + done,
      );
      if (count === 0) return layers.zeros(wanted);
      layers.advance(count);
      done += count;
    }
  }
}

/** The data of a file with holes; `undefined` for one that has none worth the trouble. */
function sparseExtents(file: File, stat: Stat): Extent[] | undefined {
  if (stat.size === 0 || stat.blocks * 512 >= stat.size) return undefined;
  const extents: Extent[] = [];
  let data = 0;
  for (let at = 0; at < stat.size;) {
    const found = file.nextData(at);
    if (!found || found.offset >= stat.size) break;
    const { offset } = found;
    const length = Math.min(found.length, stat.size - offset);
    // The file changes under us where an extent is empty.
    if (length <= 0) break;
    extents.push({ offset, length });
    data += length;
    at = offset + length;
  }
  if (data === stat.size) return undefined;
  return withoutSmallestHoles(extents, MAX_EXTENTS - 1);
}

/** Fills holes, small ones first, until no more than `max` extents are left. */
function withoutSmallestHoles(extents: Extent[], max: number): Extent[] {
  let kept = extents;
  for (let hole = 4096; kept.length > max; hole *= 2) {
    const merged: Extent[] = [];
    for (const next of kept) {
      const last = merged.at(-1);
      if (last && next.offset - (last.offset + last.length) <= hole) {
        merged[merged.length - 1] = {
          offset: last.offset,
          length: next.offset + next.length - last.offset,
        };
      } else {
        merged.push(next);
      }
    }
    kept = merged;
  }
  return kept;
}
