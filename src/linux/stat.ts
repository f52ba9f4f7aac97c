/** `statx`: metadata with nanosecond times. */

import { AT, S } from "./constants.ts";
import { type Located, throwUnlessInterrupted } from "./errno.ts";
import { system } from "./libc.ts";

/** A time as the file system has it. */
export interface Timespec {
  /** Seconds since the epoch; negative before it. */
  readonly sec: number;
  /** 0–999,999,999. */
  readonly nsec: number;
}

/** `linux/stat.h`, `STATX_ATTR_…`. */
const ATTRIBUTE = { IMMUTABLE: 0x10, APPEND: 0x20 } as const;

/** Metadata of one inode. */
export class Stat {
  constructor(
    /** Type and permission bits. */
    readonly mode: number,
    readonly uid: number,
    readonly gid: number,
    readonly nlink: number,
    /** The lower half of {@link ino}. */
    readonly inoLow: number,
    readonly inoHigh: number,
    /** Bytes. */
    readonly size: number,
    /** Units of 512 bytes that are allocated. */
    readonly blocks: number,
    readonly mtime: Timespec,
    readonly ctime: Timespec,
    readonly devMajor: number,
    readonly devMinor: number,
    readonly rdevMajor: number,
    readonly rdevMinor: number,
    /** `STATX_ATTR_…` flags that are set; those that the file system does not report are not. */
    private readonly attributes: number,
  ) {}

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

/** A time as nanoseconds since the epoch. */
export function nanoseconds(time: Timespec): bigint {
  return BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec);
}

/** The time that many nanoseconds after the epoch. */
export function timespec(nanoseconds: bigint): Timespec {
  const nsec = Number(((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  return { sec: Number((nanoseconds - BigInt(nsec)) / 1_000_000_000n), nsec };
}

const STATX_BASIC = 0x7ff;
const SIZE = 256;
/** Room for a result, and its views; offsets below are those of `struct statx`, in units of the view. */
const buffer = new ArrayBuffer(SIZE);
const bytes = new Uint8Array(buffer);
const u16 = new Uint16Array(buffer);
const u32 = new Uint32Array(buffer);
const i32 = new Int32Array(buffer);

const HIGH = 2 ** 32;

function decode(): Stat {
  return new Stat(
    u16[14]!,
    u32[5]!,
    u32[6]!,
    u32[4]!,
    u32[8]!,
    u32[9]!,
    u32[11]! * HIGH + u32[10]!,
    u32[13]! * HIGH + u32[12]!,
    { sec: i32[29]! * HIGH + u32[28]!, nsec: u32[30]! },
    { sec: i32[25]! * HIGH + u32[24]!, nsec: u32[26]! },
    u32[34]!,
    u32[35]!,
    u32[32]!,
    u32[33]!,
    u32[2]!,
  );
}

/**
 * Metadata of an entry, never following a link.
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
  while (sys.statx(fd, name, flags | AT.SYMLINK_NOFOLLOW, STATX_BASIC, bytes) < 0) {
    throwUnlessInterrupted("statx", at, entry);
  }
  return decode();
}
