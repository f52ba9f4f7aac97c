import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { WorkspaceClient } from "../../src/client/mod.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { S3Store } from "../../src/store/s3/s3_store.ts";
import { StoreMetrics } from "../../src/store/store_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { Journal } from "../../src/workspace/journal.ts";
import { WorkspaceManager } from "../../src/workspace/manager.ts";
import { WorkspaceMetrics } from "../../src/workspace/workspace_metrics.ts";
import { initializerFixture } from "../initializer/fixture.ts";
import { TestServer } from "../rpc/fixture.ts";
import { testFolder } from "../fixtures/folder.ts";
import { S3_KEYS } from "../fixtures/s3rver.ts";
import { fromBackup, fromSnapshot, refuses, type Request, request, TestNode } from "./node.ts";

const SNAPSHOT = "wsdaemon:snapshot/alice/m/20260101T000000Z-0123456789abcdef";

/** Every way an initialisation asks the store. */
const ASKING: readonly Request[] = [
  fromBackup("backup"),
  fromSnapshot("snapshot", SNAPSHOT),
  fromSnapshot("archive", "a.tar.gz@bucket"),
];

function storageAt(port: number) {
  const endpoint = `http://127.0.0.1:${port}`;
  const kind = "s3" as const;
  return {
    kind,
    endpoint,
    bucket: "bucket",
    region: "r",
    forcePathStyle: true,
    archiveBuckets: [],
    ...S3_KEYS,
  };
}

/** A port that nobody listens on. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server that takes connections and never says a word. */
function blackHole() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  let watchers: (() => void)[] = [];
  const served = (async () => {
    for await (const connection of listener) {
      taken.push(connection);
      for (const wake of watchers.splice(0)) wake();
    }
  })();
  return {
    port: listener.addr.port,
    /** Resolves once that many connections were made, ever. */
    async swallowed(count: number): Promise<void> {
      while (taken.length < count) {
        await new Promise<void>((resolve) => watchers = [...watchers, resolve]);
      }
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
      for (const connection of taken) connection.close();
    },
  };
}

function leftovers(root: string): string[] {
  const areas = ["workspaces", "tmp/staging", "tmp/trash", "tmp/spool", "state/baselines"];
  return areas.flatMap((area) =>
    [...Deno.readDirSync(join(root, area))].map(({ name }) => join(area, name))
  );
}

/** Expects all three to fail at once, saying which store, with nothing left and their ids free. */
async function refusesAll(client: WorkspaceClient, root: string, endpoint: string) {
  await Promise.all(ASKING.map(async (asking) => {
    const init = refuses("UNAVAILABLE", endpoint, () => client.initWorkspace(asking));
    // On the same connection, and so after it.
    const waiter = refuses("FAILED_PRECONDITION", endpoint, () => client.waitForInit(asking.id!));
    await Promise.all([init, waiter]);
  }));
  assertEquals(leftovers(root), []);
  for (const { id } of ASKING) {
    assert(!await client.isWorkspaceExists(id!));
    await client.initWorkspace(request(id!));
    await client.disposeWorkspace({ id: id! });
  }
}

Deno.test("an initialisation is UNAVAILABLE, naming the store, where that refuses connections", async () => {
  using folder = testFolder();
  const storage = storageAt(closedPort());
  await using node = await TestNode.start(folder.path, "node", { config: { storage } });
  await refusesAll(node.client, node.root, storage.endpoint);
});

Deno.test("an initialisation is UNAVAILABLE within the limits where the store never answers", async () => {
  await using hole = blackHole();
  // A daemon's parts, since its limits on a silent store are minutes that no config shortens.
  await using fixture = await initializerFixture();
  const { content, areas, git, owner } = fixture.base;
  const metrics = new Metrics();
  const clock = systemClock;
  const storage = storageAt(hole.port);
  const tuning = { attempts: 2, stallMs: 300, baseDelayMs: 1 };
  const observer = new StoreMetrics(metrics, storage.kind);
  const store = await S3Store.open({ storage, spoolDir: areas.spool, clock, observer, tuning });
  using journal = new Journal(join(fixture.base.root, "state", "state.db"));
  const manager = new WorkspaceManager({
    content,
    images: new StoredImages({ content, store, clock, retention: { retain: 1, otherLineages: 8 } }),
    initializers: fixture.initializers,
    gitStatus: git,
    journal,
    admission: { checkInit: () => {} },
    clock,
    metrics: new WorkspaceMetrics(metrics),
    operations: new OperationRegistry(clock),
    remoteStorage: true,
    contentOwner: owner,
    backup: { attempts: 1, concurrency: 1 },
  });
  await manager.start();
  await using server = await TestServer.start({
    init: (...args) => manager.init(...args),
    waitForInit: (...args) => manager.waitForInit(...args),
    exists: (id) => manager.exists(id),
    dispose: (...args) => manager.dispose(...args),
  });
  using client = server.client();
  await refusesAll(client, fixture.base.root, storage.endpoint);
  await manager.stop(0);
  await store.close();
});

Deno.test("a store that never answers holds up no caller, no disposal and no shutdown", async () => {
  using folder = testFolder();
  await using hole = blackHole();
  const config = { storage: storageAt(hole.port), shutdown: { grace: "0s" } };
  await using node = await TestNode.start(folder.path, "node", { config });
  const { client } = node;
  const cancelled = ASKING.map((asking) =>
    refuses("ABORTED", "disposed of", () => client.initWorkspace(asking))
  );
  await hole.swallowed(ASKING.length);
  await Promise.all(ASKING.map(async ({ id }) => {
    await refuses("DEADLINE_EXCEEDED", "", () => client.waitForInit(id!, { deadline: 50 }));
    await client.disposeWorkspace({ id: id! });
    assert(!await client.isWorkspaceExists(id!));
  }));
  await Promise.all(cancelled);
  assertEquals(leftovers(node.root), []);

  const ended = ASKING.map((asking) =>
    refuses("UNAVAILABLE", "shutting down", () => client.initWorkspace(asking))
  );
  await hole.swallowed(2 * ASKING.length);
  const [status] = await Promise.all([node.stop(), ...ended]);
  assertEquals(status.code, 0);
  assertEquals(leftovers(node.root), []);
});
