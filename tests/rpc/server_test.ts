import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { Client, credentials, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { DaemonError } from "../../src/errors.ts";
import { formatAddress } from "../../src/address.ts";
import { type CallOptions, ClientError, WorkspaceClient } from "../../src/client/mod.ts";
import type { InitRequest } from "../../src/workspace/workspaces.ts";
import { temporaryFolder, TestServer } from "./fixture.ts";

const INIT = {
  id: "a",
  metadata: { owner: "o", metaId: "m" },
  initializer: { spec: { case: "empty" as const, value: {} } },
};

async function code(call: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => call, ClientError)).code;
}

/** Sends bytes as a call's request; resolves to the error that answers them. */
function send(address: string, method: string, request: Uint8Array): Promise<ServiceError | null> {
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    const path = `/wsdaemon.WorkspaceContentService/${method}`;
    client.makeUnaryRequest(path, same, same, Buffer.from(request), (error) => {
      client.close();
      resolve(error);
    });
  });
}

/** Asks the health service. */
function health(address: string, service: string): Promise<string> {
  const HealthClient = makeClientConstructor(healthService, "Health");
  const client = new HealthClient(address, credentials.createInsecure());
  return new Promise((resolve) => {
    client["check"]!({ service }, (error: ServiceError | null, answer: { status: string }) => {
      client.close();
      resolve(error ? String(error.code) : answer.status);
    });
  });
}

Deno.test("warnings reach the caller of a call that succeeds, as many and as long as clients take", async () => {
  await using server = await TestServer.start({
    init(_request, onWarning) {
      for (let n = 1; n <= 10; n++) onWarning?.(`${n}: ${"größer ".repeat(200)}`);
      return Promise.resolve();
    },
  });
  const warnings: string[] = [];
  using client = server.client();
  await client.initWorkspace(INIT, { onWarning: (message) => warnings.push(message) });
  assertEquals(warnings.map((text) => text.slice(0, 9)), [
    ...Array.from({ length: 8 }, (_, n) => `${n + 1}: größer`),
  ]);
  for (const text of warnings) assert(new TextEncoder().encode(text).length <= 512);
});

Deno.test("each call reaches its operation and answers what it returned", async () => {
  const seen: unknown[] = [];
  await using server = await TestServer.start({
    init: (request: InitRequest) => {
      seen.push(request);
      return Promise.resolve();
    },
    waitForInit: (id) => Promise.resolve(void seen.push(id)),
    exists: (id) => id === "a",
    takeSnapshot: (id, returnImmediately) => Promise.resolve(`snapshot ${id} ${returnImmediately}`),
    backup: (id) => Promise.resolve(`backup ${id}`),
    dispose: (id, options) => {
      seen.push({ id, ...options });
      return Promise.resolve({
        gitStatus: {
          branch: "main",
          latestCommit: "0123456789abcdef0123456789abcdef01234567",
          uncommittedFiles: ["a", "\ud800"],
          untrackedFiles: ["b"],
          unpushedCommits: ["c"],
          totalUncommittedFiles: 2,
          totalUntrackedFiles: 4,
          totalUnpushedCommits: 5,
        },
      });
    },
  });
  using client = server.client();
  await client.initWorkspace(INIT);
  await client.waitForInit("a");
  assertEquals(await client.isWorkspaceExists("a"), true);
  assertEquals(await client.isWorkspaceExists("b"), false);
  assertEquals(await client.takeSnapshot({ id: "a" }), "snapshot a false");
  assertEquals(await client.takeSnapshot({ id: "a", returnImmediately: true }), "snapshot a true");
  assertEquals(await client.backupWorkspace("a"), "backup a");
  const status = await client.disposeWorkspace({ id: "a", backup: true, backupLogs: false });
  assertEquals({ ...status, $typeName: "" }, {
    $typeName: "",
    branch: "main",
    latestCommit: "0123456789abcdef0123456789abcdef01234567",
    uncommitedFiles: ["a", "\ufffd"],
    untrackedFiles: ["b"],
    unpushedCommits: ["c"],
    totalUncommitedFiles: 2n,
    totalUntrackedFiles: 4n,
    totalUnpushedCommits: 5n,
  });
  assertEquals(seen, [
    {
      id: "a",
      owner: "o",
      metaId: "m",
      initializer: { kind: "empty" },
      remoteStorageDisabled: false,
      storageQuotaBytes: 0n,
    },
    "a",
    { id: "a", backup: true, backupLogs: false },
  ]);
});

Deno.test("a workspace without Git answers no git_status", async () => {
  await using server = await TestServer.start({ dispose: () => Promise.resolve({}) });
  using client = server.client();
  assertEquals(await client.disposeWorkspace({ id: "a" }), undefined);
});

Deno.test("every call refuses a malformed id and passes an operation's error on", async () => {
  await using server = await TestServer.start({
    init: () => Promise.reject(new DaemonError("NOT_FOUND", "no")),
  });
  using client = server.client();
  const calls: [string, (id: string) => Promise<unknown>][] = [
    ["InitWorkspace", (id) => client.initWorkspace({ ...INIT, id })],
    ["WaitForInit", (id) => client.waitForInit(id)],
    ["TakeSnapshot", (id) => client.takeSnapshot({ id })],
    ["BackupWorkspace", (id) => client.backupWorkspace(id)],
    ["DisposeWorkspace", (id) => client.disposeWorkspace({ id })],
  ];
  for (const [name, call] of calls) {
    assertEquals(await code(call("../a")), "INVALID_ARGUMENT", name);
    assertEquals(await code(call("a")), "NOT_FOUND", name);
  }
  assertEquals(await code(client.isWorkspaceExists("")), "INVALID_ARGUMENT");
});

Deno.test("an unforeseen error answers INTERNAL without its message", async () => {
  await using server = await TestServer.start({
    exists: () => {
      throw new TypeError("/etc/secret");
    },
  });
  using client = server.client();
  const error = await assertRejects(() => client.isWorkspaceExists("a"), ClientError);
  assertEquals(error.code, "INTERNAL");
  assertMatch(error.message, /^internal error [0-9a-f-]{36}: this is a bug/);
});

Deno.test("a wait ends with its own caller, by cancellation or by deadline, and no other does", async () => {
  const waits = new Map<string, PromiseWithResolvers<unknown>>();
  const began = new Map<string, PromiseWithResolvers<void>>();
  for (const id of ["stays", "leaves", "late"]) began.set(id, Promise.withResolvers());
  await using server = await TestServer.start({
    waitForInit: (id, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const ended = Promise.withResolvers<unknown>();
      waits.set(id, { promise, resolve, reject });
      signal.addEventListener("abort", () => {
        ended.resolve(signal.reason);
        reject(signal.reason);
      });
      reasons.set(id, ended.promise);
      began.get(id)!.resolve();
      return promise as Promise<void>;
    },
  });
  const reasons = new Map<string, Promise<unknown>>();
  using client = server.client();
  const wait = (id: string, options?: CallOptions) => client.waitForInit(id, options);
  const stays = wait("stays");
  stays.catch(() => {});
  const leaving = new AbortController();
  const leaves = assertRejects(() => wait("leaves", { signal: leaving.signal }), ClientError);
  const late = assertRejects(() => wait("late", { deadline: 1500 }), ClientError);
  await Promise.all(["stays", "leaves", "late"].map((id) => began.get(id)!.promise));
  leaving.abort();
  assertEquals((await leaves).code, "CANCELLED");
  assertEquals((await late).code, "DEADLINE_EXCEEDED");
  assertEquals((await reasons.get("leaves") as DaemonError).code, "CANCELLED");
  // The client's reset may be faster than the server's own timer.
  const { code: lateness } = await reasons.get("late") as DaemonError;
  assert(lateness === "DEADLINE_EXCEEDED" || lateness === "CANCELLED", lateness);
  waits.get("stays")!.resolve(undefined);
  await stays;
});

Deno.test("an initialisation runs to its end when its caller goes away", async () => {
  const began = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const done = Promise.withResolvers<string>();
  await using server = await TestServer.start({
    init: async ({ id }) => {
      began.resolve();
      await go.promise;
      done.resolve(id);
    },
  });
  using client = server.client();
  const leaving = new AbortController();
  const call = assertRejects(
    () => client.initWorkspace(INIT, { signal: leaving.signal }),
    ClientError,
  );
  await began.promise;
  leaving.abort();
  assertEquals((await call).code, "CANCELLED");
  go.resolve();
  assertEquals(await done.promise, "a");
});

Deno.test("a request that is no message of its type is INVALID_ARGUMENT", async () => {
  await using server = await TestServer.start();
  const truncated = Uint8Array.of(0x0a, 0x7f, 0x61);
  const error = await send(server.address(), "IsWorkspaceExists", truncated);
  assertEquals(error?.code, 3);
  assertStringIncludes(error?.details ?? "", "Cannot decode the request");
});

Deno.test("a request of more fields than any needs is INVALID_ARGUMENT before it is decoded", async () => {
  await using server = await TestServer.start();
  const unknown = new Uint8Array(1 << 20).map((_, n) => n % 2 === 0 ? 0x78 : 1);
  const error = await send(server.address(), "IsWorkspaceExists", unknown);
  assertEquals(error?.code, 3);
  assertStringIncludes(error?.details ?? "", "must have at most 16384 fields");
});

Deno.test("initializers nested without end are INVALID_ARGUMENT", async () => {
  await using server = await TestServer.start();
  // A message that holds itself: field 5 (composite) and field 1 (initializer) in turns.
  let bytes: number[] = [];
  for (let depth = 0; depth < 60; depth++) {
    for (const tag of depth === 0 ? [0x2a] : [0x0a, 0x2a]) {
      bytes = [tag, ...varint(bytes.length), ...bytes];
    }
  }
  const request = Uint8Array.from([0x1a, ...varint(bytes.length), ...bytes]);
  const error = await send(server.address(), "InitWorkspace", request);
  assertEquals(error?.code, 3);
  assertStringIncludes(error?.details ?? "", "must not nest more than 24 messages");
});

function varint(value: number): number[] {
  const low = value & 0x7f;
  return value < 0x80 ? [value] : [low | 0x80, ...varint(value >>> 7)];
}

Deno.test("a request beyond the message limit is RESOURCE_EXHAUSTED, and the connection serves on", async () => {
  await using server = await TestServer.start({ exists: () => true }, {
    limits: { maxMessageBytes: 1000 },
  });
  using client = server.client();
  assertEquals(await code(client.isWorkspaceExists("a".repeat(2000))), "RESOURCE_EXHAUSTED");
  assertEquals(await client.isWorkspaceExists("a"), true);
});

Deno.test("a method that does not exist is UNIMPLEMENTED", async () => {
  await using server = await TestServer.start();
  assertEquals((await send(server.address(), "StealWorkspace", new Uint8Array()))?.code, 12);
});

Deno.test("health follows what it is told, for the server and for the API", async () => {
  await using server = await TestServer.start();
  const names = ["", "wsdaemon.WorkspaceContentService"];
  for (const name of names) assertEquals(await health(server.address(), name), "SERVING");
  server.rpc.setServing(false);
  for (const name of names) assertEquals(await health(server.address(), name), "NOT_SERVING");
  assertEquals(await health(server.address(), "other"), "5");
});

/** Asks reflection which services there are. */
function services(address: string): Promise<string[]> {
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const stream = client.makeBidiStreamRequest(path, same, same);
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  stream.on(
    "data",
    (answer: Buffer) => resolve(answer.toString().match(/wsdaemon\.[\w.]+/g) ?? []),
  );
  stream.on("error", reject);
  stream.on("end", () => client.close());
  stream.end(Buffer.from([0x3a, 1, 0x2a]));
  return promise;
}

Deno.test("operators' calls with listeners of their own are served there alone, and stop with the rest", async () => {
  const api = "wsdaemon.WorkspaceContentService";
  const operations = "wsdaemon.operations.v1.OperationsService";
  await using folder = await temporaryFolder();
  await using server = await TestServer.start({ exists: () => true }, {
    operationsListen: ["127.0.0.1:0", `unix://${folder.path}/operations.sock`],
  });
  const [tcp, unix] = server.rpc.operationsAddresses.map(formatAddress);
  assertEquals(unix, `unix://${folder.path}/operations.sock`);
  using main = server.client();
  assert(await main.isWorkspaceExists("a"));
  assertEquals(await code(main.operations.call("listWorkspaces", {})), "UNIMPLEMENTED");
  assertEquals(await services(server.address()), [api]);
  assertEquals(await health(server.address(), operations), "5");
  for (const address of [tcp!, unix!]) {
    using own = new WorkspaceClient({ address });
    assertEquals((await own.operations.call("listWorkspaces", {})).workspaces, []);
    assertEquals(await code(own.isWorkspaceExists("a")), "UNIMPLEMENTED");
    assertEquals(await services(address), [operations]);
    for (const name of ["", operations]) assertEquals(await health(address, name), "SERVING");
    assertEquals(await health(address, api), "5");
  }
  const text = await server.metrics.text();
  assertStringIncludes(text, `method="/${operations}/ListWorkspaces",code="OK"} 2\n`);
  assertStringIncludes(text, "wsdaemon_grpc_calls_in_flight 0\n");
  await server.rpc.stop(0);
  using late = new WorkspaceClient({ address: tcp! });
  assertEquals(await code(late.operations.call("listWorkspaces", {})), "UNAVAILABLE");
});

Deno.test("nothing is served where the operators' address cannot be bound", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/api.sock`;
  const error = await assertRejects(() =>
    TestServer.start({}, {
      listen: [`unix://${socket}`],
      operationsListen: [`127.0.0.1:${taken.addr.port}`],
    }), DaemonError);
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertStringIncludes(error.message, `127.0.0.1:${taken.addr.port}`);
  await assertRejects(() => Deno.lstat(socket), Deno.errors.NotFound);
});

Deno.test("calls are counted by method and code", async () => {
  await using server = await TestServer.start({ exists: () => true });
  using client = server.client();
  await client.isWorkspaceExists("a");
  await client.isWorkspaceExists("b");
  await code(client.isWorkspaceExists(""));
  const text = await server.metrics.text();
  const labels = (code: string) =>
    `{method="/wsdaemon.WorkspaceContentService/IsWorkspaceExists",code="${code}"}`;
  assertStringIncludes(text, `wsdaemon_grpc_calls_total${labels("OK")} 2\n`);
  assertStringIncludes(text, `wsdaemon_grpc_calls_total${labels("INVALID_ARGUMENT")} 1\n`);
  assertStringIncludes(text, "wsdaemon_grpc_calls_in_flight 0\n");
  assertMatch(text, /wsdaemon_grpc_call_duration_seconds_count\{[^}]*IsWorkspaceExists"\} 3\n/);
});

Deno.test("a call under way is let finish when the server stops, and a new one is refused", async () => {
  const began = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using server = await TestServer.start({
    backup: async () => {
      began.resolve();
      await go.promise;
      return "url";
    },
  });
  const address = server.address();
  using client = server.client();
  const backup = client.backupWorkspace("a");
  await began.promise;
  const stopped = server.rpc.stop(60_000);
  assertEquals(server.rpc.stop(0), stopped);
  assertEquals((await send(address, "IsWorkspaceExists", Uint8Array.of(0x0a, 1, 0x61)))?.code, 14);
  go.resolve();
  assertEquals(await backup, "url");
  await stopped;
});

Deno.test("a call that outlives the grace is answered UNAVAILABLE", async () => {
  const began = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using server = await TestServer.start({
    waitForInit: (_id, signal) => {
      began.resolve();
      signal.addEventListener("abort", () => aborted.resolve());
      return new Promise(() => {});
    },
  });
  using client = server.client();
  const call = assertRejects(() => client.waitForInit("a"), ClientError);
  await began.promise;
  await server.rpc.stop(10);
  const error = await call;
  assertEquals(
    [error.code, error.message],
    ["UNAVAILABLE", "wsdaemon is shutting down: try again when it is back"],
  );
  await aborted.promise;
});

Deno.test("a health watcher hears of the stop and does not hold it up", async () => {
  await using server = await TestServer.start();
  const HealthClient = makeClientConstructor(healthService, "Health");
  const client = new HealthClient(server.address(), credentials.createInsecure());
  const stream = client["watch"]!({ service: "" });
  const heard: string[] = [];
  const first = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ServiceError>();
  stream.on("data", ({ status }: { status: string }) => {
    heard.push(status);
    first.resolve();
  });
  stream.on("error", (error: ServiceError) => ended.resolve(error));
  await first.promise;
  await server.rpc.stop(60_000);
  assertEquals((await ended.promise).code, 14);
  assertEquals(heard, ["SERVING", "NOT_SERVING"]);
  client.close();
});

Deno.test("a connection whose client has gone silent is closed, and one that answers is kept", async () => {
  const limits = { keepaliveTime: 100, keepaliveTimeout: 100 };
  await using server = await TestServer.start({ exists: () => true }, { limits });
  const { hostname, port } = new URL(`http://${server.address()}`);
  using client = server.client();
  assert(await client.isWorkspaceExists("a"));
  using silent = await Deno.connect({ hostname, port: Number(port) });
  // HTTP/2's preface and empty settings; no ping is answered after that.
  const settings = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
  await silent.write(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  await silent.write(settings);
  const heard = (await Array.fromAsync(silent.readable)).length;
  assertGreater(heard, 0);
  assert(await client.isWorkspaceExists("a"));
});

Deno.test("a connection is kept whose answer came while the server was too busy to read it", async () => {
  const limits = { keepaliveTime: 50, keepaliveTimeout: 200 };
  await using server = await TestServer.start({}, { limits });
  const { hostname, port } = new URL(`http://${server.address()}`);
  using client = await Deno.connect({ hostname, port: Number(port) });
  await client.write(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  await client.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
  const [PING, ACK] = [6, 1];
  let received = new Uint8Array();
  for (let pings = 0; pings < 3;) {
    const size = received.length < 9 ? Infinity : 9 + (received[1]! << 8) + received[2]!;
    if (received.length < size) {
      const more = new Uint8Array(1024);
      const count = await client.read(more);
      assert(count !== null, `closed after ${pings} answers`);
      received = Uint8Array.from([...received, ...more.subarray(0, count)]);
      continue;
    }
    const frame = received.slice(0, size);
    received = received.slice(size);
    if (frame[3] !== PING || frame[4] === ACK) continue;
    // The server runs on this thread.
    for (const end = performance.now() + 400; performance.now() < end;);
    frame[4] = ACK;
    await client.write(frame);
    pings++;
  }
});

Deno.test("a stream that asks without end is ended, and another one is served", async () => {
  await using server = await TestServer.start();
  const client = new Client(server.address(), credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  const listServices = Buffer.from([0x3a, 1, 0x2a]);
  const ask = (requests: number) => {
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const stream = client.makeBidiStreamRequest(path, same, same);
    const ended = Promise.withResolvers<string>();
    let answers = 0;
    stream.on("data", () => answers++);
    stream.on("error", () => {});
    stream.on("status", ({ code }: { code: number }) => ended.resolve(`${code} after ${answers}`));
    for (let sent = 0; sent < requests; sent++) stream.write(listServices);
    stream.end();
    return ended.promise;
  };
  assertEquals(await ask(100), "0 after 100");
  // grpc-js tells of an error at once, whatever answers it has not handed over yet.
  assertMatch(await ask(101), /^8 after (\d\d?|100)$/);
  assertEquals(await ask(1), "0 after 1");
  client.close();
});
