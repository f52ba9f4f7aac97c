/** Checks that nothing on the thread that answers calls waits for a disk or a program. */

import type { SourceFile } from "./sources.ts";

/** The module that the thread begins with. */
const DAEMON_WORKER = "src/daemon/worker.ts";

/** Modules whose code runs on other threads, or in a process that serves nobody, whoever imports them. */
const ELSEWHERE: readonly string[] = [
  "src/archive/",
  "src/cli/",
  "src/linux/",
  "src/pool/",
  "src/process/",
];

/** Files that wait all the same, and why that is right. */
export const WAITING: ReadonlyMap<string, string> = new Map([
  ["src/certificates.ts", "small files, at the start and on SIGHUP"],
  ["src/clock.ts", "sleepSync, for content Workers"],
  ["src/config/file.ts", "before anything is served"],
  ["src/content/pack/shared_state.ts", "content Workers"],
  ["src/content/pack/write/file_packer.ts", "content Workers"],
  ["src/content/restore/restore_baseline.ts", "content Workers"],
  ["src/content/volume/btrfs_volume.ts", "content Workers"],
  ["src/daemon/disk_watch.ts", "statfs, which waits for no disk: the last look before an init"],
  ["src/disk_space.ts", "statfs, which waits for no disk"],
  ["src/inspect/oci_export.ts", "wsdaemon store export"],
  ["src/log/configure_logging.ts", "configures LogTape, and opens nothing"],
  ["src/mounts.ts", "/proc/self/mountinfo, for errors"],
  ["src/outbound/upstream_proxy.ts", "a small file, at the start"],
  ["src/patches/grpc_proto_loader.ts", "wraps what is called at import"],
  ["src/program_files.ts", "a small file, at the start"],
  ["src/state_schema.ts", "before anything is served"],
  ["src/workspace/adopt.ts", "wsdaemon state, with the daemon stopped"],
  ["src/workspace/check_state.ts", "wsdaemon state, with the daemon stopped"],
  // A change of state and its record are one step, which no other call may come into.
  ["src/workspace/journal.ts", "the journal"],
  ["src/workspace/journal_database.ts", "the journal"],
  ["src/workspace/reserve.ts", "the journal, where a disk is full"],
  ["src/workspace/tree_records.ts", "the journal; an init writes its record ahead"],
]);

/** Matches calls that return once a disk or a program has answered. */
const WAITS = /\b(?:\w+(?<!query|revoke)Sync\(|DatabaseSync\b|Atomics\.wait\()/;
const COMMENTS = /\/\/.*|\/\*[\s\S]*?\*\//g;

/** Returns the files on the thread of {@link DAEMON_WORKER} that wait, and those that need not be excused. */
export function blockingViolations(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const queue = [DAEMON_WORKER];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path) || !byPath.has(path)) continue;
    reached.add(path);
    queue.push(...byPath.get(path)!.imports);
  }
  const found: string[] = [];
  for (const path of [...reached].toSorted()) {
    if (ELSEWHERE.some((folder) => path.startsWith(folder))) continue;
    const call = WAITS.exec(byPath.get(path)!.text.replaceAll(COMMENTS, ""))?.[0];
    if (call !== undefined && !WAITING.has(path)) {
      found.push(
        `${path}: ${call} keeps the thread that answers calls waiting; use the asynchronous one, or a ` +
          "content Worker",
      );
    }
  }
  return found;
}
