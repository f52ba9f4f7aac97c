/** Starts Workers with their own permissions. */

import { StartError } from "../errors.ts";
import type { Permissions } from "./worker_permissions.ts";

/**
 * Starts a Worker.
 * @param died called where it dies, or sends what cannot be read
 * @throws {StartError} where the system gives this process no further thread
 */
export function spawnWorker(
  url: URL,
  name: string,
  permissions: Permissions,
  died: (error: Error) => void,
): Worker {
  const worker = newWorker(url, name, permissions);
  worker.onerror = (event) => {
    event.preventDefault();
    died(new Error(`The ${name} Worker died: ${event.message}`));
  };
  worker.onmessageerror = () => died(new Error(`The ${name} Worker sent what cannot be read`));
  return worker;
}

function newWorker(url: URL, name: string, permissions: Permissions): Worker {
  try {
    return new Worker(url, { type: "module", name, deno: { permissions } });
  } catch (error) {
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    throw new StartError(
      `Cannot start the ${name} Worker: the system gives this process no further thread; raise ` +
        "pids.max of its cgroup (TasksMax= of a systemd unit), or the user's limit (ulimit -u)",
      { cause: error },
    );
  }
}
