/** A clone from a Git server that takes connections and never answers. */

import { commandOf, request, SLOW_AFTER_A_SECOND } from "../common.ts";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";

/** The clone is watched while it hangs, and once `git.timeout` has ended it. */
export async function* stuckClone({ folder, binary }: ScenarioContext): AsyncGenerator<Row> {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of server) connections.push(connection);
  })();
  await using _closing = {
    async [Symbol.asyncDispose]() {
      server.close();
      await accepting;
      for (const one of connections) one.close();
    },
  };
  await using node = await TrialNode.start(folder, {
    config: {
      net: { allowLoopback: true },
      git: { timeout: "75s" },
      ...SLOW_AFTER_A_SECOND,
    },
    ...commandOf(binary),
  });
  const remoteUri = `http://127.0.0.1:${server.addr.port}/repo.git`;
  const cloned = node.client.initWorkspace(request("w1", { case: "git", value: { remoteUri } }))
    .catch(() => {});
  const id = await node.operationOf("w1", "init");
  yield await node.look({
    trouble: "a stuck clone, while it hangs",
    id,
    page: [id, "w1", "slow"],
    top: [id, "w1", "slow"],
    also: "ops",
    log: { level: "WARN", words: [id, "w1", "slow", "cloning"] },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*state="slow".*$`, "m"),
    alert: { name: "WsdaemonOperationSlow", words: [id, "w1"] },
    remedy: ["WsdaemonOperationSlow"],
  });
  await cloned;
  const words = [id, "w1", "GIT_TIMEOUT"];
  yield await node.look({
    trouble: "a stuck clone, once it is ended",
    id,
    page: words,
    top: words,
    also: "status",
    log: { level: "WARN", words },
    metric: new RegExp(`^wsdaemon_operation_attention_info{.*${id}.*GIT_TIMEOUT.*$`, "m"),
    alert: { name: "WsdaemonInitsFail", words },
    remedy: ["WsdaemonInitsFail"],
  });
}
