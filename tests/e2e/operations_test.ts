/** What operators see and do, on a real daemon by a real client. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import {
  OperationKind,
  OperationState,
  SnapshotState,
  WorkspaceState,
} from "../../src/wire/mod.ts";
import { type Request, request, sharedNode } from "./node.ts";

const shared = sharedNode({ config: { net: { allowLoopback: true } } });

/** A request for a download of what a server sends. */
function download(id: string, port: number): Request {
  const digest = `sha256:${"0".repeat(64)}`;
  return request(id, {
    initializer: {
      spec: {
        case: "download",
        value: { files: [{ url: `http://127.0.0.1:${port}/large`, filePath: "large", digest }] },
      },
    },
  });
}

/** A server whose only answer begins, and never ends. */
function endlessServer(bytes: number): Disposable & { port: number; sent: Promise<void> } {
  const sent = Promise.withResolvers<void>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new Uint8Array(bytes));
            sent.resolve();
          },
        }),
      ),
  );
  return {
    port: server.addr.port,
    sent: sent.promise,
    [Symbol.dispose]: () => void server.shutdown(),
  };
}

Deno.test("a workspace is seen with its state, its use and its last image", async () => {
  const node = shared();
  const { client } = node;
  await client.initWorkspace(request("seen", { storageQuotaBytes: 1_000_000n }));
  await Deno.writeTextFile(join(node.workspace("seen"), "file"), "x".repeat(10_000));
  const before = (await client.operations.call("getWorkspace", { id: "seen" })).workspace!;
  assertEquals([before.state, before.initializer, before.quotaBytes, before.lastImage], [
    WorkspaceState.AVAILABLE,
    "empty",
    1_000_000n,
    undefined,
  ]);
  const snapshot = await client.takeSnapshot({ id: "seen" });
  const backup = await client.backupWorkspace("seen");
  const { workspace } = await client.operations.call("getWorkspace", { id: "seen", measure: true });
  const after = workspace!;
  assertEquals(after.lastImage?.url, backup);
  assert(after.usedBytes! >= 10_000n, `${after.usedBytes} bytes`);
  const { workspaces } = await client.operations.call("listWorkspaces", { owner: "alice" });
  assert(workspaces.some(({ id, lastImage }) => id === "seen" && lastImage?.url === backup));

  const status = await client.operations.call("getSnapshot", { url: snapshot });
  assertEquals([status.state, status.promised, status.files], [SnapshotState.STORED, false, 1n]);
  const { operation } = await client.operations.call("getOperation", { id: status.operationId });
  assertEquals([operation?.kind, operation?.state, operation?.url], [
    OperationKind.SNAPSHOT,
    OperationState.SUCCEEDED,
    snapshot,
  ]);
  assertEquals([operation?.progress?.filesDone, operation?.progress?.bytesDone], [1n, 10_000n]);
  assertMatch(operation?.caller?.peer ?? "", /^127\.0\.0\.1:\d+$/);
  const unknown = snapshot.replace(/.{16}$/, "0".repeat(16));
  const error = await client.operations.call("getSnapshot", { url: unknown })
    .catch((error) => error);
  assert(error instanceof ClientError);
  assertEquals([error.code, error.reason], ["NOT_FOUND", "SNAPSHOT_NOT_FOUND"]);
});

Deno.test("an init that is stuck is watched, named and cancelled, and nothing of it is left", async () => {
  const { client } = shared();
  const { operations } = client;
  using server = endlessServer(100_000);
  let { revision } = await operations.call("watchOperations", {});
  const init = client.initWorkspace(download("stuck", server.port)).catch((error) => error);
  await server.sent;
  let step;
  do {
    const answer = await operations.call("watchOperations", { revision, maxWait: { nanos: 5e7 } });
    revision = answer.revision;
    step = answer.operations.find(({ kind, workspaceId, progress }) =>
      kind === OperationKind.DOWNLOAD && workspaceId === "stuck" && progress!.bytesDone === 100_000n
    );
  } while (!step);
  assertEquals(step.phase, "downloading");
  const { operation } = await operations.call("cancelOperation", { id: step.parentId });
  assertEquals(operation?.state, OperationState.CANCELLED);
  const error = await init;
  assert(error instanceof ClientError);
  assertEquals([error.code, error.reason], ["ABORTED", "OPERATION_CANCELLED"]);
  assertStringIncludes(error.message, step.parentId);
  assert(!await client.isWorkspaceExists("stuck"));
  const staging = join(dirname(shared().workspace("stuck")), "..", "tmp", "staging");
  assertEquals([...Deno.readDirSync(staging)].map(({ name }) => name), []);
  assert(!await exists(shared().workspace("stuck")));
});

Deno.test("what operators are told of a workspace is there after a restart", async () => {
  const node = shared();
  await node.client.initWorkspace(request("lasting"));
  const get = async () =>
    (await node.client.operations.call("getWorkspace", { id: "lasting" })).workspace!;
  const before = await get();
  await node.end("SIGKILL");
  await node.startAgain();
  const after = await get();
  assertEquals([after.initializer, after.createTime], ["empty", before.createTime]);
});
