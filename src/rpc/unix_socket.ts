/** Clears the way for the file of a unix socket, and closes it to other users. */

import { DaemonError, messageOf } from "../errors.ts";

/** The owner and the group may connect; others may not. */
const MODE = 0o660;

/**
 * Removes the socket that a killed server left at `path`, which would make binding fail.
 * @throws {DaemonError} FAILED_PRECONDITION where someone answers there, or it is something else.
 */
export async function clearStaleSocket(path: string): Promise<void> {
  const info = await stat(path);
  if (!info) return;
  if (!info.isSocket) throw occupied(path, "there is something else of that name");
  try {
    using _connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) {
      throw occupied(path, `a socket is there and cannot be tried: ${messageOf(error)}`, error);
    }
    return await Deno.remove(path);
  }
  throw occupied(path, "a running server answers there");
}

/** Closes the socket just bound at `path` to other users. Node's API removes it when it is closed. */
export async function closeToOthers(path: string): Promise<void> {
  await Deno.chmod(path, MODE);
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function occupied(path: string, problem: string, cause?: unknown): DaemonError {
  const message = `Cannot listen on unix://${path}: ${problem}`;
  return new DaemonError("FAILED_PRECONDITION", message, { cause });
}
