/** A store that is gone, one that answers 500 to everything, and one that takes nothing more. */

import { join } from "@std/path";
import { FaultProxy, type PlannedFault } from "../../../tests/fixtures/fault_proxy.ts";
import { type S3Server, startS3 } from "../../../tests/fixtures/s3rver.ts";
import { commandOf, filledWorkspace, s3Storage } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";

const KIB = 1024;

/** How a store fails, and what the node says then. */
interface StoreFailure {
  trouble: string;
  fail(proxy: FaultProxy, server: S3Server): void | Promise<void>;
  reason: string;
  /** The alert that names the backup. */
  alert: string;
}

const always = (on: RegExp, status: number, code: string): PlannedFault => ({
  fault: { kind: "answer", status, code },
  on,
  times: Infinity,
});

const FAILURES: readonly StoreFailure[] = [
  {
    trouble: "the store is gone",
    fail: async (proxy, server) => {
      proxy.stop();
      await server.kill();
    },
    reason: "STORE_UNAVAILABLE",
    alert: "WsdaemonSaveFailed",
  },
  {
    trouble: "the store answers 500",
    fail: (proxy) => proxy.plan(always(/./, 500, "InternalError")),
    reason: "STORE_UNAVAILABLE",
    alert: "WsdaemonSaveFailed",
  },
  {
    trouble: "the store refuses to write (403)",
    fail: (proxy) => proxy.plan(always(/^(?:PUT|POST)/, 403, "AccessDenied")),
    reason: "STORE_REFUSED",
    alert: "WsdaemonSaveFailed",
  },
];

/** A backup meets each of them; then the node itself has to say that its store is gone. */
export async function* failingStores({ folder, binary }: ScenarioContext): AsyncGenerator<Row> {
  for (const [n, failure] of FAILURES.entries()) {
    await using server = await startS3();
    const proxy = new FaultProxy({ hostname: server.host, port: server.port });
    await using _closing = { [Symbol.asyncDispose]: () => proxy.close() };
    await using node = await TrialNode.start(join(folder, `${n}`), {
      config: { ...s3Storage(proxy.endpoint), backup: { attempts: 1 } },
      ...commandOf(binary),
    });
    await filledWorkspace(node, "w1", 64 * KIB);
    await failure.fail(proxy, server);
    await node.client.backupWorkspace("w1").catch(() => {});
    yield await backupRow(node, failure);
    if (n === 0) yield await nodeRow(node);
  }
}

async function backupRow(node: TrialNode, { trouble, reason, alert }: StoreFailure): Promise<Row> {
  const id = await node.operationOf("w1", "backup");
  return await node.look({
    trouble: `a backup: ${trouble}`,
    id,
    page: [id, "w1", reason],
    top: [id, "w1", reason],
    also: "status",
    log: { level: "ERROR", words: [id, "w1", reason] },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*${reason}.*$`, "m"),
    alert: { name: alert, words: [id, "w1", reason] },
    remedy: [`WsdaemonSaveFailed`],
  });
}

async function nodeRow(node: TrialNode): Promise<Row> {
  return await node.look({
    trouble: "the node: the store is gone",
    id: "STORE_UNAVAILABLE",
    page: ["STORE_UNAVAILABLE store", "ECONNREFUSED"],
    top: ["STORE_UNAVAILABLE (store", "ECONNREFUSED"],
    also: "status",
    log: { level: "ERROR", words: ["Not ready", "STORE_UNAVAILABLE", "ECONNREFUSED"] },
    metric: /^wsdaemon_store_up 0$/m,
    alert: { name: "WsdaemonStoreDown", words: ["wsdaemon status"] },
    remedy: ["WsdaemonStoreDown"],
  });
}
