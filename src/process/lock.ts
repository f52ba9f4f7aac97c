/** One daemon a root: two would sweep each other's half-made workspaces away. */

import { join } from "@std/path";
import { reasonOf } from "../errors.ts";
import { logger } from "../log.ts";
import { StartError } from "./start_error.ts";

/** Characters that hold any pid, which are at most 4,194,304. */
const PID_WIDTH = 10;

export function lockPath(root: string): string {
  return join(root, "state", "lock");
}

/**
 * Takes `<root>/state/lock` for as long as this process lives; the kernel gives it back, however the
 * process ends. @throws {StartError} saying who holds it
 */
export function lockRoot(root: string): Disposable {
  const path = lockPath(root);
  const file = open(path);
  if (!file.tryLockSync(true)) {
    const holder = Deno.readTextFileSync(path).trim();
    file.close();
    throw new StartError(
      `Cannot use ${root}: the wsdaemon with pid ${holder || "unknown"} uses it; ` +
        "stop that one or choose another root",
    );
  }
  writePid(file);
  return file;
}

/**
 * Tells people who holds the lock, in as many bytes each time, so that nothing is allocated. Where it
 * cannot be written (the disk is full, and copies on write) the lock is held all the same.
 */
function writePid(file: Deno.FsFile): void {
  try {
    file.writeSync(new TextEncoder().encode(`${String(Deno.pid).padEnd(PID_WIDTH)}\n`));
  } catch (error) {
    logger("process").warn("Cannot write this process's pid into the lock: {reason}", {
      reason: reasonOf(error),
    });
  }
}

function open(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw new StartError(`Cannot open the lock ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
