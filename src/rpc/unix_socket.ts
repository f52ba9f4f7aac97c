/** Clears the way for the file of a unix socket, and gives it its group and mode. */

import { DaemonError, messageOf, reasonOf } from "../errors.ts";

/** Who may connect to a unix socket. */
export interface SocketAccess {
  /** Permission bits of its file; connecting takes the right to write. */
  readonly mode: number;
  /** Id of its group; the process's own if absent. */
  readonly gid?: number | undefined;
}

/** The owner and the group may connect; others may not. */
export const DEFAULT_ACCESS: SocketAccess = { mode: 0o660 };

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

/**
 * Gives the socket just bound at `path` its group and mode. Node's API removes it when it is closed.
 * @throws {DaemonError} FAILED_PRECONDITION where this process may not give it to that group
 */
export async function setAccess(path: string, { mode, gid }: SocketAccess): Promise<void> {
  try {
    if (gid !== undefined) await Deno.chown(path, null, gid);
    await Deno.chmod(path, mode);
  } catch (error) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot give unix://${path} the group ${gid} and mode ${mode.toString(8)}: ` +
        `${reasonOf(error)}; see unixSocket of the config`,
      { cause: error },
    );
  }
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
