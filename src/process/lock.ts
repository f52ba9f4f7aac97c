/** One daemon a root: two would sweep each other's half-made workspaces away. */

import { join } from "@std/path";
import { reasonOf } from "../errors.ts";
import { StartError } from "./start_error.ts";

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
  try {
    file.truncateSync();
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    return file;
  } catch (error) {
    file.close();
    throw new StartError(`Cannot write the lock ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function open(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw new StartError(`Cannot open the lock ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
