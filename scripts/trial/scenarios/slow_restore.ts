/** A restore from a store behind a network that has become slow. */

import { startS3 } from "../../../tests/fixtures/s3rver.ts";
import { commandOf, filledWorkspace, request, s3Storage, SLOW_AFTER_A_SECOND } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";
import { ThrottlingProxy } from "../throttling_proxy.ts";

const KIB = 1024;

/** The restore is watched while it goes on. */
export async function* slowRestore({ folder, binary }: ScenarioContext): AsyncGenerator<Row> {
  await using server = await startS3();
  using proxy = new ThrottlingProxy({ hostname: server.host, port: server.port });
  await using node = await TrialNode.start(folder, {
    config: { ...s3Storage(proxy.endpoint), ...SLOW_AFTER_A_SECOND },
    ...commandOf(binary),
  });
  await filledWorkspace(node, "w1", 4096 * KIB);
  await node.client.disposeWorkspace({ id: "w1", backup: true });
  proxy.bytesPerSecond = 24 * KIB;
  const restored = node.client.initWorkspace(
    request("w2", { case: "backup", value: {} }, "w1"),
  );
  const id = await node.operationOf("w2", "init");
  yield await node.look({
    trouble: "a slow restore",
    id,
    page: [id, "w2", "slow", "network", "KiB/s"],
    top: [id, "w2", "slow", "network", "KiB/s"],
    also: "ops",
    log: { level: "WARN", words: [id, "w2", "alice", "slow", "restoring"] },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*state="slow".*$`, "m"),
    alert: { name: "WsdaemonOperationSlow", words: [id, "w2"] },
    remedy: ["WsdaemonOperationSlow"],
  });
  proxy.bytesPerSecond = Infinity;
  await restored;
}
