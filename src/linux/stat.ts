/** Reads metadata with nanosecond times by `statx`. */

import { AT, S } from "./constants.ts";
import { type Located, throwIfConfirmed } from "./errno.ts";
import { system } from "./libc.ts";

/** A time of a file system. */
export interface Timespec {
  /** Seconds since the epoch; negative before it. */
  readonly sec: number;
  /** 0–999,999,999. */
  readonly nsec: number;
}

/** `linux/stat.h`, `STATX_ATTR_…`. */
const ATTRIBUTE = { IMMUTABLE: 0x10, APPEND: 0x20 } as const;

/** Bytes of `struct statx`. */
const SIZE = 256;

/** Offsets in `struct statx` (`linux/stat.h`), in bytes. */
const STATX = {
  /** u32, what is filled in; 0 where a time is not known. */
  mask: 0,
  attributes: 8,
  nlink: 16,
  uid: 20,
  gid: 24,
  /** u16. */
  mode: 28,
  /** u64, as the two after it. */
  ino: 32,
  size: 40,
  blocks: 48,
  /** Seconds as i64, then nanoseconds as u32; the same for the two after it. */
  birth: 80,
  ctime: 96,
  mtime: 112,
  rdevMajor: 128,
  rdevMinor: 132,
  devMajor: 136,
  devMinor: 140,
} as const;

/** A `struct statx` that one call after the other fills. */
class StatxBuffer {
  readonly #buffer = new ArrayBuffer(SIZE);
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(this.#buffer);
  readonly #u16 = new Uint16Array(this.#buffer);
  readonly #u32 = new Uint32Array(this.#buffer);
  readonly #i32 = new Int32Array(this.#buffer);

  u16(at: number): number {
    return this.#u16[at >> 1]!;
  }
  u32(at: number): number {
    return this.#u32[at >> 2]!;
  }
  u64(at: number): number {
    return this.#u32[(at >> 2) + 1]! * HIGH + this.#u32[at >> 2]!;
  }
  time(at: number): Timespec {
    const word = at >> 2;
    return {
      sec: this.#i32[word + 1]! * HIGH + this.#u32[word]!,
      nsec: this.#u32[word + 2]!,
    };
  }
}

const HIGH = 2 ** 32;

/** A device, and the numbers that stand for it in a {@link Stat}. */
export interface DeviceName {
  readonly devMajor: number;
  readonly devMinor: number;
  readonly major: number;
  readonly minor: number;
}

let names: readonly DeviceName[] | undefined;

/**
 * Has every {@link Stat} of this thread name these devices in this way, until the result is disposed of;
 * other devices keep their numbers. It serves work that compares inodes with those of an earlier time,
 * when a file system gave them other devices.
 */
export function nameDevices(devices: readonly DeviceName[]): Disposable {
  names = devices.length === 0 ? undefined : devices;
  return { [Symbol.dispose]: () => names = undefined };
}

let ownerName: ((id: number) => number) | undefined;

/**
 * Has every {@link Stat} of this thread name users and groups in this way, until the result is disposed
 * of; by their own numbers where it is absent.
 */
export function nameOwners(nameOf: ((id: number) => number) | undefined): Disposable {
  ownerName = nameOf;
  return { [Symbol.dispose]: () => ownerName = undefined };
}

/** Metadata of one inode, at the time of the call. */
export class Stat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** How many names the inode has. */
  readonly nlink: number;
  /** The lower half of {@link ino}. */
  readonly inoLow: number;
  /** The upper half of {@link ino}. */
  readonly inoHigh: number;
  /** Bytes. */
  readonly size: number;
  /** Units of 512 bytes that are allocated. */
  readonly blocks: number;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  /** The device that the inode is on. */
  readonly devMajor: number;
  readonly devMinor: number;
  /** The device that the inode is, if it is one. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** `STATX_ATTR_…` flags that are set; those that the file system does not report are not. */
  private readonly attributes: number;

  /** Copies what the kernel has answered. */
  constructor(result: StatxBuffer) {
    this.mode = result.u16(STATX.mode);
    const [uid, gid] = [result.u32(STATX.uid), result.u32(STATX.gid)];
    this.uid = ownerName ? ownerName(uid) : uid;
    this.gid = ownerName ? ownerName(gid) : gid;
    this.nlink = result.u32(STATX.nlink);
    this.inoLow = result.u32(STATX.ino);
    this.inoHigh = result.u32(STATX.ino + 4);
    this.size = result.u64(STATX.size);
    this.blocks = result.u64(STATX.blocks);
    this.mtime = result.time(STATX.mtime);
    this.ctime = result.time(STATX.ctime);
    this.devMajor = result.u32(STATX.devMajor);
    this.devMinor = result.u32(STATX.devMinor);
    const name = names?.find((one) =>
      one.devMinor === this.devMinor && one.devMajor === this.devMajor
    );
    if (name) {
      this.devMajor = name.major;
      this.devMinor = name.minor;
    }
    this.rdevMajor = result.u32(STATX.rdevMajor);
    this.rdevMinor = result.u32(STATX.rdevMinor);
    this.attributes = result.u32(STATX.attributes);
  }

  /** Whether nobody, not even root, can change, rename or delete it. */
  get isImmutable(): boolean {
    return (this.attributes & ATTRIBUTE.IMMUTABLE) !== 0;
  }
  /** Whether nobody can delete it, or what it holds. */
  get isAppendOnly(): boolean {
    return (this.attributes & ATTRIBUTE.APPEND) !== 0;
  }

  /** Unsigned 64-bit: not every one is exact as a number. */
  get ino(): bigint {
    return BigInt(this.inoHigh) << 32n | BigInt(this.inoLow);
  }
  /** Permission, set-id and sticky bits. */
  get permissions(): number {
    return this.mode & 0o7777;
  }
  /** One of `S.IF…`. */
  get type(): number {
    return this.mode & S.IFMT;
  }
  get isFile(): boolean {
    return (this.mode & S.IFMT) === S.IFREG;
  }
  get isDirectory(): boolean {
    return (this.mode & S.IFMT) === S.IFDIR;
  }
  get isSymlink(): boolean {
    return (this.mode & S.IFMT) === S.IFLNK;
  }
  /** Names this inode among all of the node, for finding hard links. */
  get identity(): string {
    return `${this.devMajor}:${this.devMinor}:${this.ino}`;
  }
  sameInode(other: Stat): boolean {
    return this.inoLow === other.inoLow && this.inoHigh === other.inoHigh &&
      this.devMinor === other.devMinor && this.devMajor === other.devMajor;
  }
}

/** Returns a time as nanoseconds since the epoch. */
export function nanoseconds(time: Timespec): bigint {
  return BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec);
}

/** Returns the time that many nanoseconds after the epoch. */
export function timespec(nanoseconds: bigint): Timespec {
  const nsec = Number(((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  return { sec: Number((nanoseconds - BigInt(nsec)) / 1_000_000_000n), nsec };
}

/** `STATX_BASIC_STATS`: all that `stat` has. */
const STATX_BASIC = 0x7ff;
/** `STATX_INO` and `STATX_BTIME`. */
const STATX_BIRTH = 0x100 | 0x800;
const result = new StatxBuffer();

/**
 * Reads the metadata of an entry, never following a link.
 * @param fd the entry's directory, or with `AT.EMPTY_PATH` and an empty name the inode itself
 * @param name NUL-terminated
 * @param entry what an error calls the entry
 * @throws {SystemError}
 */
export function statx(
  fd: number,
  name: Uint8Array,
  flags: number,
  at: Located,
  entry?: Uint8Array | string,
): Stat {
  const sys = system();
  while (sys.statx(fd, name, flags | AT.SYMLINK_NOFOLLOW, STATX_BASIC, result.bytes) < 0) {
    throwIfConfirmed("statx", at, entry);
  }
  return new Stat(result);
}

/** What no copy of a file has in common with it: its inode, and when that was made. */
export interface Birth {
  readonly ino: bigint;
  readonly time: Timespec;
}

/**
 * Reads when an inode was made, which nobody can set.
 * @returns `undefined` where the file system does not say
 * @throws {SystemError}
 */
export function statxBirth(fd: number, name: Uint8Array, at: Located): Birth | undefined {
  const sys = system();
  while (sys.statx(fd, name, AT.EMPTY_PATH, STATX_BIRTH, result.bytes) < 0) {
    throwIfConfirmed("statx", at);
  }
  if ((result.u32(STATX.mask) & STATX_BIRTH) !== STATX_BIRTH) return undefined;
  const ino = BigInt(result.u32(STATX.ino + 4)) << 32n | BigInt(result.u32(STATX.ino));
  return { ino, time: result.time(STATX.birth) };
}

/** Returns what {@link statx} does, for the remedy in an error; `undefined` where that fails. */
export function tryStatx(fd: number, name: Uint8Array, flags: number): Stat | undefined {
  const failed =
    system().statx(fd, name, flags | AT.SYMLINK_NOFOLLOW, STATX_BASIC, result.bytes) < 0;
  return failed ? undefined : new Stat(result);
}
