/** How long backups of tiny workspaces take one after the other, and what memory they leave taken. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { Resident } from "../../tests/fixtures/resident.ts";
import { DaemonProcess } from "../daemon_process.ts";

export interface SavesResult {
  count: number;
  /** Wall time of each, several at a time; milliseconds. */
  each: number;
  /** Resident memory of the daemon before the first; bytes. */
  idle: number;
  /** The same after each tenth of them. */
  resident: number[];
}

/** Workspaces, and backups at a time. */
const WORKSPACES = 8;

/** Makes `count` backups with a daemon of its own, whose root is in `folder`. */
export async function measureSaves(count: number, folder: string): Promise<SavesResult> {
  const root = join(folder, "saves");
  await using daemon = await DaemonProcess.start({
    args: ["--root", root],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const ids = Array.from({ length: WORKSPACES }, (_, n) => `saves-${n}`);
  for (const id of ids) {
    await client.initWorkspace({
      id,
      metadata: { owner: "bench", metaId: id },
      initializer: { spec: { case: "empty", value: {} } },
    });
    for (const name of ["a", "b", "c"]) {
      Deno.writeTextFileSync(join(root, "workspaces", id, name), `${id} ${name}`);
    }
  }
  const memory = new Resident(daemon.pid);
  const result: SavesResult = { count, each: 0, idle: memory.now(), resident: [] };
  const start = performance.now();
  let begun = 0;
  let done = 0;
  const tenth = Math.ceil(count / 10);
  await Promise.all(ids.map(async (id) => {
    while (begun++ < count) {
      await client.backupWorkspace(id);
      if (++done % tenth === 0) result.resident.push(memory.now());
    }
  }));
  result.each = (performance.now() - start) / count;
  return result;
}
