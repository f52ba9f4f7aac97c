/**
 * Binds the main thread, and so every Worker and program that it starts, to what the config needs.
 *
 * Git needs the system's programs, libraries and settings; those are readable here as a whole, since
 * files such as `/etc/resolv.conf` are replaced while the daemon runs, and rules follow the old one.
 */

import { dirname } from "@std/path";
import { parseAddress } from "../address.ts";
import { type Config, grpcAddresses } from "../config/mod.ts";
import { messageOf, StartError } from "../errors.ts";
import type { FoundGit } from "../git/mod.ts";
import {
  type Capability,
  CHANGE_RIGHTS,
  type ConfinementSupport,
  confinementSupport,
  confineThread,
  CONTENT_CAPABILITIES,
  type PathRight,
  type PathRule,
  READ_RIGHTS,
} from "../linux/mod.ts";
import { storeFolder, storePermissions } from "../store/mod.ts";
import { compilerCache, programFolder, protoFolders } from "../program_files.ts";
import { secretFiles } from "./worker_permissions.ts";

/** The ABI of Linux 6.2, the first that can keep a thread from truncating files. */
const REQUIRED_ABI = 3;

const RUN_RIGHTS: readonly PathRight[] = [...READ_RIGHTS, "execute"];

/** Where programs and their libraries are, on the distributions that have glibc. */
const PROGRAM_FOLDERS = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/opt",
  "/snap",
  "/nix/store",
  "/gnu/store",
];
/** What programs and the resolver read of the system. */
const SYSTEM_FOLDERS = [
  "/etc",
  "/proc",
  "/sys/devices/system/cpu",
  "/sys/fs/cgroup",
  "/var/lib/ca-certificates",
];
/** Often links to files elsewhere, which are replaced when the network changes. */
const LINKED_SETTINGS = ["/etc/resolv.conf", "/etc/hosts"];
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`);

const CAPABILITIES: readonly Capability[] = [
  ...CONTENT_CAPABILITIES,
  // Git runs as the content's owner.
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_NET_BIND_SERVICE",
];

/** What the process's confinement depends on. */
export interface ProcessConfinement {
  /** With real paths, whose root is there. */
  config: Config;
  git: FoundGit;
  /** Absolute path of the config file, which may be read again; absent where there is none. */
  configFile?: string | undefined;
  /** The process's environment, which says where credentials are. */
  env: Readonly<Record<string, string>>;
}

/**
 * Binds the calling thread, and what it starts from now on, for good. libc is open. Threads that run already (V8's,
 * and those for the main thread's own file operations) stay as they are.
 * @returns what it is bound by, for the Workers to bind themselves further by; `undefined` for nothing
 * @throws {StartError} where `confinement` is "required" and the kernel lacks what it takes, or refuses
 */
export function confineProcess(options: ProcessConfinement): ConfinementSupport | undefined {
  const { config } = options;
  if (config.confinement === "off") return undefined;
  const support = confinementSupport();
  const problem = confinementProblem(support);
  if (config.confinement === "required" && problem) throw new StartError(problem);
  try {
    confineThread(support, {
      paths: pathsOf(options),
      isolated: false,
      capabilities: CAPABILITIES,
    });
  } catch (error) {
    throw new StartError(
      `Cannot confine this process: ${messageOf(error)}; set confinement to "off" to run without`,
      { cause: error },
    );
  }
  return support;
}

/** Returns what of confinement the kernel lacks; `undefined` where nothing that matters. */
export function missingConfinement({ landlock, seccomp }: ConfinementSupport): string | undefined {
  if (landlock === 0) {
    return "it has no Landlock, or not for this process (lsm= of its command line, a seccomp profile " +
      "of the container)";
  }
  if (landlock < REQUIRED_ABI) {
    return `its Landlock has ABI ${landlock}, not ${REQUIRED_ABI} (Linux 6.2)`;
  }
  return seccomp ? undefined : "it has no seccomp filters";
}

/** Returns why the kernel cannot confine the process as "required" asks for; `undefined` where it can. */
export function confinementProblem(support: ConfinementSupport): string | undefined {
  const missing = missingConfinement(support);
  if (missing === undefined) return undefined;
  return `Cannot confine this process as confinement "required" asks for, because of the kernel: ` +
    `${missing}; set confinement to "auto" to run with what there is`;
}

function pathsOf(options: ProcessConfinement): PathRule[] {
  const { config } = options;
  const folder = storeFolder(config.storage)?.path;
  return [
    ...rules([config.root, ...(folder === undefined ? [] : [folder])], CHANGE_RIGHTS),
    ...rules(present(compilerCache()), CHANGE_RIGHTS),
    ...rules(socketFolders(config), ["makeSocket", "removeFile"]),
    ...rules(programFolders(options.git), RUN_RIGHTS),
    ...rules(readFolders(options), READ_RIGHTS),
    ...rules(DEVICES, ["readFile", "writeFile"]),
  ];
}

function rules(paths: readonly string[], rights: readonly PathRight[]): PathRule[] {
  return [...new Set(paths)].map((path) => ({ path, rights }));
}

function socketFolders(config: Config): string[] {
  return grpcAddresses(config).map(parseAddress)
    .flatMap((address) => address.kind === "unix" ? [dirname(address.path)] : []);
}

/**
 * Returns the folders whose programs may run: the system's, and those of git, both as it is named and where
 * that leads. Homebrew links it to a folder of its own, and the libraries are beside the link.
 */
export function programFolders(git: FoundGit): string[] {
  if (!("git" in git)) return PROGRAM_FOLDERS;
  const { path } = git.git;
  const own = [path, real(path)].map((program) => {
    // With `libexec` and `share` beside `bin`.
    const folder = dirname(program);
    const prefix = dirname(folder);
    // A home holds more than programs.
    return /^\/(root|home|home\/[^/]+)?$/.test(prefix) ? folder : prefix;
  });
  return [...PROGRAM_FOLDERS, ...own];
}

function readFolders({ config, configFile, env }: ProcessConfinement): string[] {
  const files = [
    ...secretFiles(config),
    ...configFile === undefined ? [] : [configFile],
    ...storePermissions(config.storage, (name) => env[name]).read,
    ...LINKED_SETTINGS,
  ];
  return [
    ...SYSTEM_FOLDERS,
    // Folders, as files are often replaced by others, and links changed.
    ...files.flatMap((path) => [dirname(path), dirname(real(path))]),
    ...protoFolders(),
    ...present(programFolder()),
    // Repositories on this node may be anywhere.
    ...(config.git.protocols.includes("file") ? ["/"] : []),
  ];
}

function present(path: string | undefined): string[] {
  return path === undefined ? [] : [path];
}

/** Returns where a path leads through links; the path itself where nothing is there. */
function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
