/** Disks of ext4 and btrfs that fill up beneath a node. */

import { join } from "@std/path";
import { canMountDisk, type DiskKind, fillDisk, smallDisk } from "../../../tests/e2e/disk.ts";
import { commandOf, filledWorkspace } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const DISKS: readonly (readonly [DiskKind, bytes: number])[] = [
  ["ext4", 64 * MIB],
  ["btrfs", 256 * MIB],
];

/** A backup meets the full disk; inits are refused, which the node says of itself. */
export async function* fullDisks({ folder, binary }: ScenarioContext): AsyncGenerator<Row> {
  for (const [kind, bytes] of DISKS) {
    if (!canMountDisk(kind)) throw new Error(`no ${kind} can be mounted here: run this as root`);
    const at = join(folder, kind);
    await Deno.mkdir(at, { recursive: true });
    const root = join(at, "root");
    using _disk = smallDisk(root, bytes, kind);
    await using node = await TrialNode.start(join(at, "node"), {
      config: {},
      root,
      ...commandOf(binary),
    });
    await filledWorkspace(node, "w1", 4 * MIB);
    const filler = join(root, "filler");
    await Deno.mkdir(filler);
    fillDisk(filler);
    await node.client.backupWorkspace("w1").catch(() => {});
    yield await nodeRow(node, kind);
    yield await backupRow(node, kind);
    // So that the daemon has room to stop in.
    await Deno.remove(filler, { recursive: true });
  }
}

async function nodeRow(node: TrialNode, kind: DiskKind): Promise<Row> {
  return await node.look({
    trouble: `the node: a full disk (${kind})`,
    id: "root",
    page: ["NODE_OUT_OF_SPACE disk", node.root],
    top: ["NODE_OUT_OF_SPACE (disk", node.root],
    also: "status",
    log: { level: "ERROR", words: ["Not ready", "NODE_OUT_OF_SPACE", "% full", node.root] },
    metric: /^wsdaemon_disk_free_bytes{area="root"} \d{1,7}$/m,
    alert: { name: "WsdaemonDiskFull", words: ['"area":"root"'] },
    remedy: ["WsdaemonDiskFull"],
  });
}

async function backupRow(node: TrialNode, kind: DiskKind): Promise<Row> {
  const id = await node.operationOf("w1", "backup");
  const words = [id, "w1", "NODE_OUT_OF_SPACE"];
  return await node.look({
    trouble: `a backup: a full disk (${kind})`,
    id,
    page: words,
    top: words,
    also: "status",
    log: { level: "ERROR", words },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*NODE_OUT_OF_SPACE.*$`, "m"),
    alert: { name: "WsdaemonSaveFailed", words },
    remedy: ["WsdaemonSaveFailed"],
  });
}
