/** A restore from a store behind a network that has become slow. */

import { join } from "@std/path";
import { startS3 } from "../../../tests/fixtures/s3rver.ts";
import { commandOf, filledWorkspace, request, s3Storage, SLOW_AFTER_A_SECOND } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";
import { ThrottlingProxy } from "../throttling_proxy.ts";

const KIB = 1024;

/** One node saves, and another one's restore is watched while it goes on: the first has a copy. */
export async function* slowRestore(
  { folder, binary }: ScenarioContext,
): AsyncGenerator<Row> {
  await using server = await startS3();
  using proxy = new ThrottlingProxy({ hostname: server.host, port: server.port });
  const options = {
    config: { ...s3Storage(proxy.endpoint), ...SLOW_AFTER_A_SECOND },
    ...commandOf(binary),
  };
  {
    await using saving = await TrialNode.start(join(folder, "saving"), options);
    await filledWorkspace(saving, "w1", 4096 * KIB);
    await saving.client.disposeWorkspace({ id: "w1", backup: true });
  }
  await using node = await TrialNode.start(join(folder, "restoring"), options);
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
