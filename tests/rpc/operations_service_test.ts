import { assert, assertEquals, assertRejects } from "@std/assert";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ClientError } from "../../src/client/mod.ts";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { OperationKind, OperationState } from "../../src/wire/mod.ts";
import type { WorkspaceInfo } from "../../src/workspace/mod.ts";
import { administration, TestServer } from "./fixture.ts";

/** A server of some operations and workspaces, and a client of it. */
async function serve(ids: readonly string[] = []) {
  const operations = new OperationRegistry(systemClock);
  const server = await TestServer.start({}, {
    administration: administration({
      operations,
      workspaces: {
        all: () => ids.map(info),
        get: info,
        isPending: () => false,
        drain: () => Promise.reject(new Error("not used")),
        undrain: () => false,
      },
    }),
  });
  const client = server.client();
  return {
    operations,
    server,
    call: client.operations.call.bind(client.operations),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function info(id: string): WorkspaceInfo {
  const owner = id < "m" ? "alice" : "bob";
  return {
    id,
    state: "AVAILABLE",
    identity: { owner, metaId: "notes" },
    tree: { area: "workspaces", name: id },
    record: {
      id,
      owner,
      metaId: "notes",
      remoteStorageDisabled: false,
      quotaBytes: 1024,
      checkoutLocation: "",
      initializer: "git",
      createdAt: 1_700_000_000_000,
    },
  };
}

/** An operation that runs until it is cancelled, or told to end. */
function begin(operations: OperationRegistry) {
  const began = Promise.withResolvers<Operation>();
  const end = Promise.withResolvers<void>();
  const done = operations.run(
    { kind: "backup", subject: { workspace: "w", owner: "alice", metaId: "notes" } },
    async (operation) => {
      operation.signal.addEventListener("abort", () => end.reject(operation.signal.reason));
      began.resolve(operation);
      await end.promise;
    },
  ).catch(() => {});
  return { operation: began.promise, end: end.resolve, done };
}

async function fails(work: Promise<unknown>): Promise<string> {
  const { code, reason } = await assertRejects(() => work, ClientError);
  return `${code} ${reason}`;
}

Deno.test("workspaces are listed in pages by id, all or an owner's", async () => {
  const ids = ["c", "a", "x", "b", "z"];
  await using node = await serve(ids);
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await node.call("listWorkspaces", { pageSize: 2, pageToken });
    pages.push(page.workspaces.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  assertEquals(pages, [["a", "b"], ["c", "x"], ["z"]]);
  const { workspaces } = await node.call("listWorkspaces", { owner: "bob" });
  assertEquals(workspaces.map(({ id }) => id), ["x", "z"]);
  assertEquals(
    await fails(node.call("listWorkspaces", { pageToken: "?" })),
    "INVALID_ARGUMENT INVALID_REQUEST",
  );
  assertEquals(
    await fails(node.call("listWorkspaces", { pageSize: -1 })),
    "INVALID_ARGUMENT INVALID_REQUEST",
  );
});

Deno.test("a workspace is told with what runs on it", async () => {
  await using node = await serve(["w"]);
  const running = begin(node.operations);
  const { id } = await running.operation;
  const workspace = (await node.call("getWorkspace", { id: "w" })).workspace!;
  assertEquals(workspace.operationIds, [id]);
  assertEquals([workspace.owner, workspace.initializer, workspace.quotaBytes], [
    "bob",
    "git",
    1024n,
  ]);
  assertEquals(workspace.createTime?.seconds, 1_700_000_000n);
  assertEquals([workspace.usedBytes, workspace.lastImage, workspace.lastImageProblem], [
    undefined,
    undefined,
    "",
  ]);
  running.end();
  await running.done;
  assertEquals((await node.call("getWorkspace", { id: "w" })).workspace?.operationIds, []);
});

Deno.test("an operation is told as it is: phase, progress, queue, attempts, caller, failure", async () => {
  await using node = await serve();
  const running = begin(node.operations);
  const operation = await running.operation;
  operation.enter("packing");
  operation.progress.setTotal({ files: 10 });
  operation.progress.add({ files: 4, bytes: 4096 });
  operation.progress.addStored(512);
  operation.failedAttempt(new DaemonError("UNAVAILABLE", "x".repeat(5000)));
  const waits = Promise.withResolvers<void>();
  const queued = operation.queued("node", "", waits.promise);
  const { operation: told } = await node.call("getOperation", { id: operation.id });
  assert(told);
  assertEquals([told.kind, told.state, told.phase], [
    OperationKind.BACKUP,
    OperationState.RUNNING,
    "packing",
  ]);
  assertEquals([told.workspaceId, told.owner, told.metaId], ["w", "alice", "notes"]);
  assertEquals([told.attempt, told.queuePosition, told.uncancellable], [2, 0, ""]);
  const { filesDone, filesTotal, bytesDone, bytesTotal, storedBytes } = told.progress!;
  assertEquals([filesDone, filesTotal, bytesDone, bytesTotal, storedBytes], [
    4n,
    10n,
    4096n,
    undefined,
    512n,
  ]);
  assertEquals([told.failure?.code, told.failure?.message.length], ["UNAVAILABLE", 1000]);
  waits.resolve();
  await queued;
  running.end();
  await running.done;
  const after = await node.call("getOperation", { id: operation.id });
  assertEquals([after.operation?.state, after.operation?.failure, after.operation?.uncancellable], [
    OperationState.SUCCEEDED,
    undefined,
    "it has ended",
  ]);
  assertEquals(
    await fails(node.call("getOperation", { id: "0123456789abcdef" })),
    "NOT_FOUND OPERATION_NOT_FOUND",
  );
  assertEquals(
    await fails(node.call("getOperation", { id: "w" })),
    "INVALID_ARGUMENT INVALID_REQUEST",
  );
});

Deno.test("operations are listed in the order in which they began, in pages", async () => {
  await using node = await serve();
  const running = begin(node.operations);
  await running.operation;
  for (let n = 0; n < 12; n++) {
    await node.operations.run(
      { kind: "init", subject: { workspace: `w${n}` } },
      () => Promise.resolve(),
    );
  }
  const first = await node.call("listOperations", { pageSize: 11 });
  const { operations, nextPageToken } = await node.call("listOperations", {
    pageSize: 11,
    pageToken: first.nextPageToken,
  });
  assertEquals([...first.operations, ...operations].map(({ workspaceId }) => workspaceId), [
    "w",
    ...Array.from({ length: 12 }, (_, n) => `w${n}`),
  ]);
  assertEquals(nextPageToken, "");
  const one = await node.call("listOperations", { workspaceId: "w3" });
  assertEquals(one.operations.length, 1);
  const now = await node.call("listOperations", { runningOnly: true });
  assertEquals(now.operations.map(({ workspaceId }) => workspaceId), ["w"]);
  running.end();
  await running.done;
});

Deno.test("of findings a list and a watch tell those that fit, and a question for one operation all", async () => {
  await using node = await serve();
  const findings = Array.from({ length: 100 }, (_, n) => `${n} ${"x".repeat(396)}`);
  await node.operations.run({ kind: "verification" }, (operation) => {
    for (const finding of findings) operation.addFinding(finding);
    return Promise.resolve();
  });
  const listed = (await node.call("listOperations", {})).operations[0]!;
  assertEquals(listed.findings, findings.slice(0, 2));
  const watched = (await node.call("watchOperations", {})).operations[0]!;
  assertEquals(watched.findings, findings.slice(0, 2));
  const { operation } = await node.call("getOperation", { id: listed.id });
  assertEquals(operation?.findings, findings);
});

Deno.test("a watcher hears of each change without asking again and again", async () => {
  await using node = await serve();
  let { revision } = await node.call("watchOperations", {});
  const heard: string[] = [];
  const next = async () => {
    const answer = await node.call("watchOperations", { revision });
    revision = answer.revision;
    heard.push(...answer.operations.map(({ state, phase }) => `${OperationState[state]} ${phase}`));
  };
  const begun = next();
  const running = begin(node.operations);
  const operation = await running.operation;
  await begun;
  const changed = next();
  operation.enter("packing");
  await changed;
  const ended = next();
  running.end();
  await ended;
  assertEquals(heard, ["RUNNING ", "RUNNING packing", "SUCCEEDED packing"]);
  // Nothing changes any more: the answer comes when it was asked for, with what runs then.
  const { operations, revision: same } = await node.call("watchOperations", {
    revision,
    maxWait: durationFromMs(1),
  });
  assertEquals([operations.length, same], [0, revision]);
});

Deno.test("a watcher of a daemon that has ended is told everything at once", async () => {
  await using node = await serve();
  await node.operations.run({ kind: "init" }, () => Promise.resolve());
  const answer = await node.call("watchOperations", { revision: "0123456789abcdef-7" });
  assertEquals(answer.operations.length, 1);
  assertEquals(
    await fails(node.call("watchOperations", { revision: "7" })),
    "INVALID_ARGUMENT INVALID_REQUEST",
  );
});

Deno.test("a watcher that goes away, or whose daemon stops, waits no longer", async () => {
  await using node = await serve();
  const { revision } = await node.call("watchOperations", {});
  const gone = new AbortController();
  const waiting = fails(node.call("watchOperations", { revision }, { signal: gone.signal }));
  gone.abort();
  assertEquals(await waiting, "CANCELLED undefined");
  const stopped = fails(node.call("watchOperations", { revision }));
  // Whether the call is there by now makes no difference.
  node.operations.close(new DaemonError("UNAVAILABLE", "stops", { reason: "SHUTTING_DOWN" }));
  assertEquals(await stopped, "UNAVAILABLE SHUTTING_DOWN");
});

Deno.test("cancelling answers once the operation has ended, and again for one that has", async () => {
  await using node = await serve();
  const running = begin(node.operations);
  const { id } = await running.operation;
  for (let times = 0; times < 2; times++) {
    const { operation } = await node.call("cancelOperation", { id });
    assertEquals([operation?.state, operation?.failure?.reason], [
      OperationState.CANCELLED,
      "OPERATION_CANCELLED",
    ]);
    assert(operation?.endTime);
  }
  const other = begin(node.operations);
  const operation = await other.operation;
  operation.setUncancellable("it is as good as done");
  assertEquals(
    await fails(node.call("cancelOperation", { id: operation.id })),
    "FAILED_PRECONDITION OPERATION_NOT_CANCELLABLE",
  );
  other.end();
  await other.done;
});

Deno.test("the node is told with its disks, certificates and problems", async () => {
  const server = await TestServer.start({}, {
    administration: administration({
      readNode: () =>
        Promise.resolve({
          version: "1.2.3",
          deno: "2.8.3",
          startedAt: 1_700_000_000_000,
          ready: { ok: false, message: "no store" },
          store: "s3",
          disks: [{ area: "root", free: 1, size: 2, freeInodes: 3, inodes: 4 }],
          certificates: [
            { part: "cert", path: "/n.pem", subject: "CN=n", notAfter: 1_800_000_000_000 },
          ],
          problems: [
            {
              reason: "STORE_REFUSED",
              part: "store",
              message: "no store",
              since: 1_700_000_001_000,
            },
            { reason: "CERTIFICATE_EXPIRES", part: "cert", message: "it ends" },
          ],
        }),
    }),
  });
  await using _stopping = server;
  using client = server.client();
  const { node } = await client.operations.call("getNode", {});
  assertEquals([node?.version, node?.ready, node?.store], ["1.2.3", false, "s3"]);
  assertEquals(node?.startTime?.seconds, 1_700_000_000n);
  const [disk] = node!.disks;
  assertEquals([disk?.area, disk?.freeBytes, disk?.sizeBytes], ["root", 1n, 2n]);
  assertEquals([disk?.freeInodes, disk?.inodes], [3n, 4n]);
  const [certificate] = node!.certificates;
  assertEquals([certificate?.path, certificate?.subject], ["/n.pem", "CN=n"]);
  assertEquals(certificate?.expireTime?.seconds, 1_800_000_000n);
  assertEquals(
    node!.problems.map(({ reason, part, since }) => [reason, part, since?.seconds]),
    [["STORE_REFUSED", "store", 1_700_000_001n], ["CERTIFICATE_EXPIRES", "cert", undefined]],
  );
});
