/** A snapshot whose url was answered, and which the store does not take. */

import { FaultProxy } from "../../../tests/fixtures/fault_proxy.ts";
import { startS3 } from "../../../tests/fixtures/s3rver.ts";
import { commandOf, filledWorkspace, s3Storage, SLOW_AFTER_A_SECOND } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";

const KIB = 1024;

/** The store goes on answering everything but what writes. */
export async function* promisedSnapshot({ folder, binary }: ScenarioContext): AsyncGenerator<Row> {
  await using server = await startS3();
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  await using _closing = { [Symbol.asyncDispose]: () => proxy.close() };
  await using node = await TrialNode.start(folder, {
    config: { ...s3Storage(proxy.endpoint), ...SLOW_AFTER_A_SECOND },
    ...commandOf(binary),
  });
  await filledWorkspace(node, "w1", 64 * KIB);
  proxy.plan({
    fault: { kind: "answer", status: 403, code: "AccessDenied" },
    on: /^(?:PUT|POST)/,
    times: Infinity,
  });
  await node.client.takeSnapshot({ id: "w1", returnImmediately: true });
  const id = await node.operationOf("w1", "snapshot");
  yield await node.look({
    trouble: "a promised snapshot that is not stored",
    id,
    page: [id, "w1", "attempt", "STORE_REFUSED"],
    top: [id, "w1", "attempt", "STORE_REFUSED"],
    also: "ops",
    log: { level: "ERROR", words: [id, "w1", "STORE_REFUSED"] },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*STORE_REFUSED.*$`, "m"),
    alert: { name: "WsdaemonSnapshotNotStored", words: [id, "w1"] },
    remedy: ["WsdaemonSnapshotNotStored"],
  });
  proxy.plan();
}
