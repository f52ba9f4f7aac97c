/** Finds out what a Worker with certain permissions can do. */

import type { Permissions } from "../../src/process/worker_permissions.ts";

export interface Attempt {
  kind:
    | "connect"
    | "env"
    | "import"
    | "list"
    | "listen"
    | "load"
    | "read"
    | "run"
    | "sys"
    | "write";
  target: string;
}

/** What became of each attempt in a Worker with `permissions`: `allowed` or an error's name. */
export async function probe(
  permissions: Permissions,
  attempts: readonly Attempt[],
): Promise<string[]> {
  const url = new URL("./probe_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", deno: { permissions } });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(attempts);
    return await promise;
  } finally {
    worker.terminate();
  }
}
