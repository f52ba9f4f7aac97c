/**
 * Checks that the system allows enough threads and open files. Where they run out, the runtime panics
 * with words that do not help an operator, possibly long after the start: so it is checked before.
 */

import { dirname, join } from "@std/path";

/** The most that a daemon needs, idle connections aside. */
export interface Needs {
  /** Threads of this process and of the Git processes that it runs at once. */
  threads: number;
  openFiles: number;
}

/** Threads for blocking calls that Deno starts for one Worker. */
const BLOCKING_THREADS = 32;
/** Git and its helpers. */
const CHILD_PROCESSES = 8;
/** Descriptors of a content Worker: its areas, the directories on its way, what it reads and writes. */
const FILES_OF_CONTENT_WORKER = 96;
/** Descriptors of the other threads: two runtimes, the state, listeners, and connections of a few callers and to the store. */
const FILES_OF_DAEMON = 128;

/**
 * Returns what a daemon needs with this many processors. Measured with two, under load: 48 threads and 90
 * descriptors (trees were not deep); the runtime panicked where it could have 20 threads.
 */
export function needsOf(processors: number): Needs {
  // The process's first two, V8's and a content Worker for each processor, two Workers more, and
  // one for the blocking calls of each; those of the daemon's own Worker come and go.
  const own = 2 + processors + 2 * (processors + 2);
  return {
    threads: own + BLOCKING_THREADS + CHILD_PROCESSES,
    openFiles: FILES_OF_DAEMON + FILES_OF_CONTENT_WORKER * (processors + 1),
  };
}

/** The files of the system that its limits are read from; `undefined` where a file is missing or not readable. */
export interface System {
  read(path: string): string | undefined;
  /** Numbers of all processes that can be seen. */
  processes(): number[];
  uid: number;
}

/** This process's system. */
export const thisSystem: System = {
  read(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined;
    }
  },
  processes() {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  },
  uid: Deno.uid() ?? 0,
};

/** Returns why a daemon cannot run within the system's limits; `undefined` where it can. */
export function limitProblem(needs: Needs, system: System): string | undefined {
  return openFilesProblem(needs, system) ?? cgroupProblem(needs, system) ??
    userProblem(needs, system);
}

function openFilesProblem({ openFiles }: Needs, system: System): string | undefined {
  const limit = limitNamed("open files", system);
  if (limit === undefined || limit >= openFiles) return undefined;
  return `Cannot run with ${limit} open files at most: wsdaemon needs ${openFiles} on this machine; ` +
    "raise the limit (LimitNOFILE= of a systemd unit, ulimit -n of a shell)";
}

/**
 * Returns why a cgroup allows too few threads. Those of the process's own and of each above it count.
 */
function cgroupProblem({ threads }: Needs, system: System): string | undefined {
  const own = threadsOf("self", system);
  for (const folder of pidsFolders(system)) {
    const max = Number(system.read(join(folder, "pids.max")) ?? NaN);
    const current = Number(system.read(join(folder, "pids.current")) ?? NaN);
    const left = max - current + own;
    // Where there is no limit the file says "max".
    if (!(left < threads)) continue;
    return `Cannot run with ${left} threads at most, which pids.max of ${folder}, ${max}, leaves: ` +
      `wsdaemon needs ${threads} on this machine; raise it (TasksMax= of a systemd unit, ` +
      "--pids-limit of a container)";
  }
  return undefined;
}

/** Returns why the user may have too few threads. Root has no such limit. */
function userProblem({ threads }: Needs, system: System): string | undefined {
  const limit = limitNamed("processes", system);
  if (system.uid === 0 || limit === undefined) return undefined;
  const isOwn = (pid: number) =>
    Number(/^Uid:\s+(\d+)/m.exec(system.read(`/proc/${pid}/status`) ?? "")?.[1]) === system.uid;
  const used = system.processes().filter(isOwn)
    .reduce((sum, pid) => sum + threadsOf(String(pid), system), 0);
  const left = limit - used + threadsOf("self", system);
  if (left >= threads) return undefined;
  return `Cannot run with ${left} threads at most, which the limit of user ${system.uid}, ${limit}, ` +
    `leaves: wsdaemon needs ${threads} on this machine; raise it (LimitNPROC= of a systemd unit, ` +
    "ulimit -u of a shell)";
}

/** Returns a soft limit; `undefined` where there is none. */
function limitNamed(name: string, system: System): number | undefined {
  const limits = system.read("/proc/self/limits") ?? "";
  const value = new RegExp(`^Max ${name}\\s+(\\d+)`, "m").exec(limits)?.[1];
  return value === undefined ? undefined : Number(value);
}

function threadsOf(pid: string, system: System): number {
  const status = system.read(`/proc/${pid}/status`) ?? "";
  return Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/** Returns the folders of the cgroups that limit this process's threads, its own first, of either version. */
function pidsFolders(system: System): string[] {
  const folders: string[] = [];
  for (const line of (system.read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const mounts = controllers === ""
      ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
      : controllers!.split(",").includes("pids")
      ? ["/sys/fs/cgroup/pids"]
      : [];
    for (const mount of mounts) folders.push(...upwards(mount, path));
  }
  return folders;
}

function upwards(mount: string, path: string): string[] {
  const parent = path === "/" ? [] : upwards(mount, dirname(path));
  return [join(mount, path), ...parent];
}
