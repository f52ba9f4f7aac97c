import { assertEquals } from "@std/assert";
import { launch } from "../../src/process/launch.ts";
import { libcPath } from "../../src/process/libc.ts";
import { makeAreas, prepareRoot } from "../../src/process/root.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { FAULTS } from "../daemon/faults.ts";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { configOf } from "./fixture.ts";

const HERE = import.meta.url;

Deno.test("a launched daemon goes on with its work whatever is thrown in its Worker", async () => {
  using folder = testFolder();
  const metrics = freeAddress();
  const config = prepareRoot(
    configOf({ root: folder.path, listen: ["127.0.0.1:0"], metrics: { listen: metrics } }),
  );
  const { promise: listening, resolve } = Promise.withResolvers<string>();
  using launched = launch({
    config: { ...config, log: { ...config.log, level: "fatal" } },
    env: Deno.env.toObject(),
    areas: makeAreas(config),
    libc: libcPath(),
    git: { problem: "not needed here" },
    version: "test",
    droppedLines: new SharedArrayBuffer(4),
    onListening: resolve,
    modules: {
      daemon: new URL("../daemon/faulty_daemon_worker.ts", HERE),
      content: new URL("../../src/content/worker.ts", HERE),
    },
  });
  launched.ended.catch(() => {});
  using client = new WorkspaceClient({ address: await listening });
  await client.initWorkspace({
    id: "w",
    metadata: { owner: "alice", metaId: "m" },
    initializer: { spec: { case: "empty", value: {} } },
  });

  const faults = new BroadcastChannel("faults");
  for (const name of Object.keys(FAULTS)) {
    const backup = client.backupWorkspace("w");
    faults.postMessage(name);
    await backup;
  }
  faults.close();
  await eventually(async () => {
    assertEquals(await uncaught(metrics), Object.keys(FAULTS).length);
  });

  await client.disposeWorkspace({ id: "w", backup: true });
  launched.stop(0);
  await launched.ended;
});

function freeAddress(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `127.0.0.1:${listener.addr.port}`;
}

async function uncaught(address: string): Promise<number> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const values = text.matchAll(/^wsdaemon_uncaught_exceptions_total\{.*\} (\d+)$/gm);
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}
