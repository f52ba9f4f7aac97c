/**
 * Lets only one daemon use a root: two would delete each other's half-made workspaces.
 *
 * Two locks keep others out. `<root>/state/lock` names the holder to people. The lock on the root's
 * folder itself is there because that file can be deleted by hand: the next daemon would make a new
 * one, which nobody has locked yet.
 */

import { join } from "@std/path";
import { sleepSync } from "../clock.ts";
import { reasonOf, StartError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { describeKind, explainChange, lstat } from "./entry.ts";

/** Characters that hold any pid, which are at most 4,194,304. */
const PID_WIDTH = 10;

const LOCK_ATTEMPTS = 11;
const LOCK_PAUSE_MS = 100;

/** Returns the path of the lock file that names the holder. */
export function lockPath(root: string): string {
  return join(root, "state", "lock");
}

/**
 * Takes the locks of a root for as long as this process lives; the kernel gives them back, however the
 * process ends. @throws {StartError} saying who holds them
 */
export function lockRoot(root: string): Disposable {
  using stack = new DisposableStack();
  const path = lockPath(root);
  const file = stack.use(open(path));
  if (!tryLock(file)) {
    const holder = Deno.readTextFileSync(path).trim();
    throw new StartError(
      `Cannot use ${root}: the wsdaemon with pid ${holder || "unknown"} uses it; ` +
        "stop that one or choose another root",
    );
  }
  lockFolder(root, stack);
  writePid(path, file);
  return stack.move();
}

/**
 * Tries for a second: a program that the holder was just starting has a copy of its descriptors until
 * it has begun, and so holds the lock for a moment after the holder has ended.
 */
function tryLock(file: Deno.FsFile): boolean {
  for (let attempt = 1;; attempt++) {
    if (file.tryLockSync(true)) return true;
    if (attempt === LOCK_ATTEMPTS) return false;
    sleepSync(LOCK_PAUSE_MS);
  }
}

function open(path: string): Deno.FsFile {
  const info = lstat(path);
  if (info && !info.isFile) {
    throw new StartError(`Cannot lock ${path}: it is ${describeKind(info)}, not a file; remove it`);
  }
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    if (info) return openReadOnly(path, error);
    throw new StartError(`Cannot open the lock ${path}: ${explainChange(error, path)}`, {
      cause: error,
    });
  }
}

/** Opens the lock file for reading, which suffices for a lock: an immutable one does not stop a start. */
function openReadOnly(path: string, cause: unknown): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch {
    throw new StartError(
      `Cannot open the lock ${path}: ${explainChange(cause, path)}`,
      { cause },
    );
  }
}

/** Locks the root's folder. @throws {StartError} where another daemon, whose `state/lock` was deleted, holds the folder */
function lockFolder(root: string, stack: DisposableStack): void {
  let locked: boolean;
  try {
    locked = tryLock(stack.use(Deno.openSync(root)));
  } catch (error) {
    // Not every file system locks folders (NFS does not); then the file alone has to do.
    logger("process").warn("Cannot lock the folder {root} besides {path}: {reason}", {
      root,
      path: lockPath(root),
      reason: reasonOf(error),
    });
    return;
  }
  if (locked) return;
  throw new StartError(
    `Cannot use ${root}: another process has locked that folder, probably a wsdaemon whose ` +
      `${lockPath(root)} was deleted; find it with lslocks and stop it, or choose another root`,
  );
}

/**
 * Tells people who holds the lock, in as many bytes each time, so that nothing is allocated. Where it
 * cannot be written (a full disk, an immutable file) the lock is held all the same.
 */
function writePid(path: string, file: Deno.FsFile): void {
  try {
    file.writeSync(new TextEncoder().encode(`${String(Deno.pid).padEnd(PID_WIDTH)}\n`));
  } catch (error) {
    logger("process").warn("Cannot write this process's pid to {path}: {reason}", {
      path,
      reason: reasonOf(error),
    });
  }
}
