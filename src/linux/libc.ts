/**
 * The C library's functions. {@link openLibc} loads it once in a Worker; a Worker whose FFI
 * permission names that one library can load nothing else.
 *
 * The variadic `syscall`, `openat`, `ioctl` are declared with fixed parameters, which the calling conventions
 * of x86_64 and aarch64 Linux pass alike. Lengths are `usize`, so that all 64 bits of the register
 * are right; `ssize_t` results fit `i32`, as the kernel moves less than 2 GiB a call.
 */

const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  memcpy: { parameters: ["buffer", "pointer", "usize"], result: "pointer" },
  /** Copies nothing and returns the buffer's address, for which `Deno.UnsafePointer` needs every permission. */
  addressOf: { name: "memcpy", parameters: ["buffer", "buffer", "usize"], result: "u64" },

  openat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getdents64: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32"], result: "i32" },

  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pread64: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pwrite64: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  lseek64: { parameters: ["i32", "i64", "i32"], result: "i64" },
  copy_file_range: {
    parameters: ["i32", "buffer", "i32", "buffer", "usize", "u32"],
    result: "i32",
  },
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  posix_fadvise64: { parameters: ["i32", "i64", "i64", "i32"], result: "i32" },
  sync_file_range: { parameters: ["i32", "i64", "i64", "u32"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32" },
  syncfs: { parameters: ["i32"], result: "i32" },
  fdatasync: { parameters: ["i32"], result: "i32" },

  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  fstatfs64: { parameters: ["i32", "buffer"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },

  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  renameat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  mknodat: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32", "u32"], result: "i32" },

  flistxattr: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "usize", "i32"], result: "i32" },
  fremovexattr: { parameters: ["i32", "buffer"], result: "i32" },
  listxattr: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i32" },
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },

  getrlimit64: { parameters: ["i32", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },

  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },

  landlock_create_ruleset: {
    name: "syscall",
    parameters: ["i32", "buffer", "usize", "u32"],
    result: "i32",
  },
  landlock_add_rule: {
    name: "syscall",
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  landlock_restrict_self: { name: "syscall", parameters: ["i32", "i32", "u32"], result: "i32" },
  seccomp: { name: "syscall", parameters: ["i32", "u32", "u32", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  capget: { parameters: ["buffer", "buffer"], result: "i32" },
  capset: { parameters: ["buffer", "buffer"], result: "i32" },

  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "i32" },

  /** Of libc it returns -1 for a value, too. */
  getpriority: { name: "syscall", parameters: ["i32", "i32", "u32"], result: "i32" },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  ioprio_set: { name: "syscall", parameters: ["i32", "i32", "i32", "i32"], result: "i32" },

  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of libc that are called here. */
export type Symbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** The loaded library. */
export interface Libc {
  readonly sys: Symbols;
  /** Where this thread keeps errno. */
  readonly errnoLocation: Deno.PointerValue;
}

let loaded: Libc | undefined;

/**
 * Loads the C library, once a thread; later calls change nothing.
 * @param path absolute: a bare name does not match a scoped FFI permission
 * @throws {Deno.errors.NotCapable} where the permission does not name it
 */
export function openLibc(path: string): void {
  if (loaded) return;
  const sys = Deno.dlopen(path, SYMBOLS).symbols;
  loaded = { sys, errnoLocation: sys.__errno_location() };
}

/** Returns the loaded library. @throws {TypeError} before {@link openLibc} */
export function libc(): Libc {
  if (!loaded) throw new TypeError("Cannot make a system call before openLibc()");
  return loaded;
}

/** Returns the system calls. @throws {TypeError} before {@link openLibc} */
export function system(): Symbols {
  return libc().sys;
}
