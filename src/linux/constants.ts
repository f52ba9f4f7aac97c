/** Numbers from the kernel's headers (`include/uapi`), for the two architectures that are served. */

const ARM = Deno.build.arch === "aarch64";

/**
 * System calls that libc has no function for, or not in every version that is in use: their numbers on
 * x86_64 and on aarch64.
 */
export const CALLS = {
  openat2: [437, 437],
  mknodat: [259, 33],
  renameat2: [316, 276],
  getdents64: [217, 61],
  getpriority: [140, 141],
  ioprio_set: [251, 30],
  landlock_create_ruleset: [444, 444],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
  seccomp: [317, 277],
} as const;

/** The numbers of {@link CALLS} on this processor. */
export const SYSCALL = Object.fromEntries(
  Object.entries(CALLS).map(([name, [x86, arm]]) => [name, ARM ? arm : x86]),
) as Readonly<Record<keyof typeof CALLS, number>>;

/** `open` flags. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: ARM ? 0o40000 : 0o200000,
  NOFOLLOW: ARM ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** How `openat2` resolves a path. */
export const RESOLVE = {
  /** Nothing on another mount. */
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  /** Nothing that is not beneath the directory given. */
  BENEATH: 0x08,
} as const;

/** Flags of the `…at` calls, and the descriptor that stands for the working directory. */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  EMPTY_PATH: 0x1000,
} as const;

/** The file type within a mode. */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
} as const;

/** The type that a directory entry names; `UNKNOWN` where the file system does not say. */
export const DT = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
} as const;

/** Flags of `renameat2`. */
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2 } as const;

/** What a position is counted from; `DATA` and `HOLE` find the next of them. */
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;

/** What a program will do with a file's pages. */
export const FADVISE = { NORMAL: 0, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4 } as const;

/** Longest name of one directory entry, in bytes. */
export const NAME_MAX = 255;
/** Longest path that one system call takes, in bytes, with its NUL. */
export const PATH_MAX = 4096;
