/**
 * Seccomp: system calls that a thread gives up for good, and with it every thread and process that it
 * starts afterwards. They fail with EPERM.
 *
 * The filter names what is refused, not what is allowed: which calls V8 and tokio make changes with
 * every version of theirs, and one that is missing from a list of allowed calls would end the daemon.
 */

import { SYSCALL } from "../constants.ts";
import { lastErrno, SystemError } from "../errno.ts";
import { system } from "../libc.ts";

/**
 * Calls that no thread of ours makes, nor git: numbers for x86_64 and aarch64 (`asm/unistd.h`), -1 where
 * an architecture lacks one.
 */
const NEVER_NEEDED = {
  acct: [163, 89],
  add_key: [248, 217],
  adjtimex: [159, 171],
  bpf: [321, 280],
  chroot: [161, 51],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  delete_module: [176, 106],
  finit_module: [313, 273],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  init_module: [175, 105],
  io_uring_setup: [425, 425],
  ioperm: [173, -1],
  iopl: [172, -1],
  kcmp: [312, 272],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  perf_event_open: [298, 241],
  pidfd_getfd: [438, 438],
  pivot_root: [155, 41],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  reboot: [169, 142],
  request_key: [249, 218],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  syslog: [103, 116],
  umount2: [166, 39],
  unshare: [272, 97],
  userfaultfd: [323, 282],
} as const;

/** Calls that run programs, open sockets, change users and priorities. */
const ISOLATION = {
  accept: [43, 202],
  accept4: [288, 242],
  bind: [49, 200],
  capset: [126, 91],
  connect: [42, 203],
  execve: [59, 221],
  execveat: [322, 281],
  ioprio_set: [251, 30],
  listen: [50, 201],
  sched_setattr: [314, 274],
  sched_setparam: [142, 118],
  sched_setscheduler: [144, 119],
  setfsgid: [123, 152],
  setfsuid: [122, 151],
  setgid: [106, 144],
  setgroups: [116, 159],
  setpriority: [141, 140],
  setregid: [114, 143],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setreuid: [113, 145],
  setuid: [105, 146],
  socket: [41, 198],
  socketpair: [53, 199],
} as const;

/** All calls that some thread gives up. */
export const REFUSED_CALLS = { ...NEVER_NEEDED, ...ISOLATION } as const;

const ARM = Deno.build.arch === "aarch64";
/** `AUDIT_ARCH_X86_64`, `AUDIT_ARCH_AARCH64`. */
const ARCHITECTURE = ARM ? 0xc000_00b7 : 0xc000_003e;
/** From here on x86_64 has the calls of x32 processes, under other numbers. */
const X32 = 0x4000_0000;

/** `linux/seccomp.h`. */
const SET_MODE_FILTER = 1;
const GET_ACTION_AVAIL = 2;
/** Without it kernels before 5.16 slow every thread with a filter down. */
const FLAG_SPEC_ALLOW = 4;
const RETURN = { errno: 0x0005_0000, allow: 0x7fff_0000 } as const;
const EPERM = 1;
/** Offsets in `struct seccomp_data`. */
const DATA = { number: 0, architecture: 4 } as const;

/** Instructions of classic BPF (`linux/bpf_common.h`). */
const BPF = { loadWord: 0x20, jumpIfEqual: 0x15, jumpIfAtLeast: 0x35, return: 0x06 } as const;
const INSTRUCTION_BYTES = 8;

/** Returns whether the kernel lets threads give system calls up. */
export function hasSeccomp(): boolean {
  const action = new Uint8Array(128);
  new DataView(action.buffer).setUint32(0, RETURN.errno, true);
  return system().seccomp(SYSCALL.seccomp, GET_ACTION_AVAIL, 0, action) === 0;
}

/**
 * Gives up system calls that nobody needs here, and all calls of 32-bit programs, for the calling
 * thread and what it starts from now on. The thread must have given up new privileges.
 * @param isolated whether to give up running programs, sockets and changing users, too
 * @throws {SystemError}
 */
export function denySystemCalls({ isolated }: { readonly isolated: boolean }): void {
  const denied = isolated ? REFUSED_CALLS : NEVER_NEEDED;
  const numbers = Object.values(denied).map((both) => both[ARM ? 1 : 0]);
  const filter = assemble(numbers.filter((number) => number >= 0));
  // `struct sock_fprog`: u16 length, pointer.
  const program = new DataView(new ArrayBuffer(128));
  const sys = system();
  program.setUint16(0, filter.length / INSTRUCTION_BYTES, true);
  program.setBigUint64(8, sys.addressOf(filter, filter, 0n), true);
  const bytes = new Uint8Array(program.buffer);
  if (sys.seccomp(SYSCALL.seccomp, SET_MODE_FILTER, FLAG_SPEC_ALLOW, bytes) < 0) {
    throw new SystemError(lastErrno(), "seccomp", "this thread");
  }
}

/** Returns a program that refuses other architectures' calls and these, and allows every other. */
function assemble(numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  // The number, x32, architecture and one jump for each call come before the two returns.
  const refuse = 4 + numbers.length + 1;
  const bytes = new Uint8Array(INSTRUCTION_BYTES * (refuse + 1));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const emit = (code: number, value: number, ifTrue = 0, ifFalse = 0) => {
    view.setUint16(at * INSTRUCTION_BYTES, code, true);
    view.setUint8(at * INSTRUCTION_BYTES + 2, ifTrue);
    view.setUint8(at * INSTRUCTION_BYTES + 3, ifFalse);
    view.setUint32(at * INSTRUCTION_BYTES + 4, value, true);
    at++;
  };
  // A jump is counted from the instruction after it.
  const toRefusal = () => refuse - at - 1;
  emit(BPF.loadWord, DATA.architecture);
  emit(BPF.jumpIfEqual, ARCHITECTURE, 0, toRefusal());
  emit(BPF.loadWord, DATA.number);
  emit(BPF.jumpIfAtLeast, X32, toRefusal());
  for (const number of numbers) emit(BPF.jumpIfEqual, number, toRefusal());
  emit(BPF.return, RETURN.allow);
  emit(BPF.return, RETURN.errno | EPERM);
  return bytes;
}
