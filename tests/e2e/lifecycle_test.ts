import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { directory, file, makeTree, readTree, symlink, type TreeTable } from "../fixtures/tree.ts";
import { fromBackup, fromSnapshot, refuses, request, sharedNode, TestNode } from "./node.ts";

const shared = sharedNode();

/** A store that several nodes share. */
const sharing = (folder: string) => ({ storage: { kind: "fs", path: join(folder, "store") } });

Deno.test("a workspace goes through its whole life, and on to another node", async () => {
  using folder = testFolder();
  const config = sharing(folder.path);
  await using left = await TestNode.start(folder.path, "left", { config });
  await using right = await TestNode.start(folder.path, "right", { config });

  await left.client.initWorkspace(request("w1"));
  await left.client.waitForInit("w1");
  assert(await left.client.isWorkspaceExists("w1"));
  assertEquals(await readTree(left.workspace("w1")).then((entries) => entries.length), 1);

  await makeTree(left.workspace("w1"), [
    ["src", directory({ mode: 0o750 })],
    ["src/main.ts", file("one", { mode: 0o640, mtime: 1_600_000_000_123_456_789n })],
    ["link", symlink("src/main.ts")],
  ]);
  const first = await readTree(left.workspace("w1"));
  const snapshot = await left.client.takeSnapshot({ id: "w1" });
  assertMatch(snapshot, /^wsdaemon:snapshot\/alice\/m\//);

  await Deno.writeTextFile(join(left.workspace("w1"), "src", "main.ts"), "two");
  await Deno.remove(join(left.workspace("w1"), "link"));
  const second = await readTree(left.workspace("w1"));
  assertMatch(await left.client.backupWorkspace("w1"), /^wsdaemon:backup\/alice\/m@sha256:/);

  await Deno.writeTextFile(join(left.workspace("w1"), "last words"), "three");
  const third = await readTree(left.workspace("w1"));
  assertEquals(await left.client.disposeWorkspace({ id: "w1", backup: true }), undefined);
  assert(!await left.client.isWorkspaceExists("w1"));
  assert(!await exists(left.workspace("w1")));

  await right.client.initWorkspace(fromBackup("w2"));
  assertEquals(await readTree(right.workspace("w2")), third);
  await right.client.initWorkspace(fromSnapshot("w3", snapshot));
  assertEquals(await readTree(right.workspace("w3")), first);
  assert(JSON.stringify(second) !== JSON.stringify(third), "the backup in between was replaced");
});

Deno.test("a snapshot that is answered at once can be restored once it is finished", async () => {
  const node = shared();
  await node.client.initWorkspace(request("promised"));
  await Deno.writeTextFile(join(node.workspace("promised"), "a"), "content");
  const url = await node.client.takeSnapshot({ id: "promised", returnImmediately: true });
  // A disposal waits for what was promised.
  await node.client.disposeWorkspace({ id: "promised" });
  await node.client.initWorkspace(fromSnapshot("finished", url));
  assertEquals(await Deno.readTextFile(join(node.workspace("finished"), "a")), "content");
});

Deno.test("what a request has wrong is INVALID_ARGUMENT, says where, and leaves nothing", async () => {
  const node = shared();
  const { client } = node;
  const good = { owner: "alice", metaId: "m" };
  const cases: [string, () => Promise<unknown>][] = [
    ...["", ".", "..", "-x", "a/b", "a..b", "ä", "x".repeat(129)].flatMap((
      id,
    ): [string, () => Promise<unknown>][] => [
      ["id", () => client.initWorkspace(request(id))],
      ["id", () => client.waitForInit(id)],
      ["id", () => client.isWorkspaceExists(id)],
      ["id", () => client.takeSnapshot({ id })],
      ["id", () => client.backupWorkspace(id)],
      ["id", () => client.disposeWorkspace({ id })],
    ]),
    ["metadata", () => client.initWorkspace({ id: "w", initializer: request("w").initializer! })],
    ["owner", () => client.initWorkspace(request("w", { metadata: { ...good, owner: "" } }))],
    ["owner", () => client.initWorkspace(request("w", { metadata: { ...good, owner: ".." } }))],
    ["meta_id", () => client.initWorkspace(request("w", { metadata: { ...good, metaId: "a/b" } }))],
    ["initializer", () => client.initWorkspace({ id: "w", metadata: good })],
    ["initializer", () => client.initWorkspace(request("w", { initializer: {} }))],
    ["snapshot", () => client.initWorkspace(fromSnapshot("w", ""))],
    ["snapshot", () => client.initWorkspace(fromSnapshot("w", "wsdaemon:snapshot/alice/m/../x"))],
    [
      "storage_quota_bytes",
      () => client.initWorkspace(request("w", { storageQuotaBytes: -1n })),
    ],
  ];
  for (const [words, call] of cases) await refuses("INVALID_ARGUMENT", words, call);
  assert(!await client.isWorkspaceExists("w"));
  assert(!await exists(node.workspace("w")));
  assertEquals(await Array.fromAsync(Deno.readDir(join(node.root, "tmp", "staging"))), []);
});

Deno.test("calls that do not fit a workspace's state are refused, and the state stays", async () => {
  const node = shared();
  const { client } = node;
  await refuses("NOT_FOUND", "state", () => client.waitForInit("state"));
  await refuses("NOT_FOUND", "state", () => client.takeSnapshot({ id: "state" }));
  await refuses("NOT_FOUND", "state", () => client.backupWorkspace("state"));
  await refuses("NOT_FOUND", "state", () => client.disposeWorkspace({ id: "state" }));
  assert(!await client.isWorkspaceExists("state"));

  const noBackup = (id: string) => ({
    ...fromBackup(id),
    metadata: { owner: "nobody", metaId: "m" },
  });
  await refuses("FAILED_PRECONDITION", "no backup", () => client.initWorkspace(noBackup("state")));
  const unknown = "wsdaemon:snapshot/alice/m/20260101T000000Z-0123456789abcdef";
  await refuses("NOT_FOUND", unknown, () => client.initWorkspace(fromSnapshot("state", unknown)));
  const archive = "some/where.tar.gz@bucket";
  await refuses(
    "NOT_FOUND",
    "where.tar.gz",
    () => client.initWorkspace(fromSnapshot("state", archive)),
  );
  assert(!await client.isWorkspaceExists("state"), "after a failure the id is free again");

  await client.initWorkspace(request("state"));
  await refuses("ALREADY_EXISTS", "state", () => client.initWorkspace(request("state")));

  await client.initWorkspace(request("closed", { remoteStorageDisabled: true }));
  await refuses("FAILED_PRECONDITION", "disabled", () => client.takeSnapshot({ id: "closed" }));
  await refuses("FAILED_PRECONDITION", "disabled", () => client.backupWorkspace("closed"));
  await refuses(
    "FAILED_PRECONDITION",
    "disabled",
    () => client.disposeWorkspace({ id: "closed", backup: true }),
  );
  const closed = { ...noBackup("x"), remoteStorageDisabled: true };
  await refuses("FAILED_PRECONDITION", "disabled", () => client.initWorkspace(closed));
  await client.disposeWorkspace({ id: "closed" });
});

Deno.test("a quota ends a restore of another's content, and never one of one's own", async () => {
  const node = shared();
  const { client } = node;
  await client.initWorkspace(request("big"));
  await Deno.writeFile(join(node.workspace("big"), "a"), new Uint8Array(1 << 20));
  const url = await client.takeSnapshot({ id: "big" });
  const bob = { metadata: { owner: "bob", metaId: "m" } };
  const small = { ...fromSnapshot("small", url), ...bob, storageQuotaBytes: 100_000n };
  await refuses("RESOURCE_EXHAUSTED", "100000", () => client.initWorkspace(small));
  assert(!await client.isWorkspaceExists("small"));
  await client.initWorkspace({ ...small, storageQuotaBytes: 2n << 20n });
  const own = { ...fromSnapshot("own", url), storageQuotaBytes: 100_000n };
  await client.initWorkspace(own);
  assertEquals((await Deno.stat(join(node.workspace("own"), "a"))).size, 1 << 20);
});

Deno.test("a workspace that outgrew its quota comes back from its backup with the same quota, and it is said", async () => {
  const node = shared();
  const { client } = node;
  const quota = { metadata: { owner: "carol", metaId: "grown" }, storageQuotaBytes: 100_000n };
  await client.initWorkspace(request("grown", quota));
  await Deno.writeFile(join(node.workspace("grown"), "a"), new Uint8Array(1 << 20).fill(1));
  await client.disposeWorkspace({ id: "grown", backup: true });
  await client.initWorkspace({ ...fromBackup("grown"), ...quota });
  assertEquals((await Deno.stat(join(node.workspace("grown"), "a"))).size, 1 << 20);
  await node.daemon.logMatching(
    /Workspace grown was restored with \d+ bytes on disk.*quota of 100000/,
  );
});

Deno.test("stored content that fails its digest is DATA_LOSS naming the blob, and leaves nothing", async () => {
  const node = shared();
  const { client } = node;
  await client.initWorkspace(request("damaged"));
  await Deno.writeTextFile(join(node.workspace("damaged"), "a"), "content ".repeat(10_000));
  const tree = await readTree(node.workspace("damaged"));
  const blobs = join(node.root, "store", "blobs", "sha256");
  const others = new Set([...Deno.readDirSync(blobs)].map(({ name }) => name));
  const url = await client.takeSnapshot({ id: "damaged" });
  let refused = 0;
  for (const { name } of [...Deno.readDirSync(blobs)].filter(({ name }) => !others.has(name))) {
    const whole = await Deno.readFile(join(blobs, name));
    const damaged = whole.slice();
    damaged[damaged.length >> 1]! ^= 1;
    await Deno.writeFile(join(blobs, name), damaged);
    try {
      await client.initWorkspace(fromSnapshot("r-damaged", url));
      // The last layer says again what the index says: a restore by the index does not read it.
      assertEquals(await readTree(node.workspace("r-damaged")), tree);
      await client.disposeWorkspace({ id: "r-damaged" });
    } catch (error) {
      refused++;
      assertInstanceOf(error, ClientError);
      assertEquals(error.code, "DATA_LOSS");
      assertStringIncludes(error.message, name);
      assert(!await client.isWorkspaceExists("r-damaged"));
    }
    await Deno.writeFile(join(blobs, name), whole);
  }
  assertEquals(refused, 4, "manifest, config, index and the layer of the file");
});

Deno.test("two tenants' backups never meet, whatever they are called", async () => {
  const node = shared();
  const { client } = node;
  const long = "x".repeat(255);
  const identities = [["a", "b"], ["a", "b@"], ["a@b", "b"], ["A", "b"], [`${long}1`, "b"], [
    `${long}2`,
    "b",
  ]]
    .map(([owner, metaId]) => ({ owner: owner!, metaId: metaId! }));
  for (const [n, metadata] of identities.entries()) {
    await client.initWorkspace(request(`w${n}`, { metadata }));
    await Deno.writeTextFile(join(node.workspace(`w${n}`), "whose"), JSON.stringify(metadata));
    await client.disposeWorkspace({ id: `w${n}`, backup: true });
  }
  for (const [n, metadata] of identities.entries()) {
    await client.initWorkspace({ ...fromBackup(`r${n}`), metadata });
    const whose = await Deno.readTextFile(join(node.workspace(`r${n}`), "whose"));
    assertEquals(JSON.parse(whose), metadata);
  }
});

Deno.test("terminal logs are stored from the first place that has any, as regular files only", async () => {
  using folder = testFolder();
  await Deno.writeTextFile(join(folder.path, "prebuild-log-secret"), "of the host");
  const node = shared();
  const { client } = node;
  const outside = symlink(folder.path);
  const cases: Record<string, { tree: TreeTable; logs: Record<string, string> }> = {
    top: {
      tree: [
        ["prebuild-log-1", file("one")],
        ["prebuild-log-a b", file("two")],
        ["prebuild-log-", file("no task")],
        ["prebuild-log-link", symlink(join(folder.path, "prebuild-log-secret"))],
        ["prebuild-log-folder", directory()],
        [".gitpod", directory()],
        [".gitpod/prebuild-log-3", file("three")],
        [".prebuild-log-4", file("four")],
      ],
      logs: { "1": "one", "a b": "two" },
    },
    gitpod: {
      tree: [
        [".gitpod", directory()],
        [".gitpod/prebuild-log-3", file("three")],
        [".prebuild-log-4", file("four")],
      ],
      logs: { "3": "three" },
    },
    hidden: {
      tree: [[".gitpod", outside], [".prebuild-log-4", file("four")]],
      logs: { "4": "four" },
    },
    none: { tree: [[".gitpod", outside]], logs: {} },
  };
  const instances = join(node.root, "store", "objects", "workspaces", "alice", "m", "instances");
  for (const [id, { tree, logs }] of Object.entries(cases)) {
    await client.initWorkspace(request(id));
    await makeTree(node.workspace(id), tree);
    await client.disposeWorkspace({ id, backupLogs: true });
    const stored: Record<string, string> = {};
    const place = join(instances, id, "logs");
    if (await exists(place)) {
      for await (const { name } of Deno.readDir(place)) {
        stored[name] = await Deno.readTextFile(join(place, name));
      }
    }
    assertEquals(stored, logs, id);
  }
  await client.initWorkspace(request("unasked"));
  await makeTree(node.workspace("unasked"), [["prebuild-log-1", file("one")]]);
  await client.disposeWorkspace({ id: "unasked" });
  assert(!await exists(join(instances, "unasked")));
  assertEquals([...Deno.readDirSync(join(node.root, "tmp", "spool"))], []);
});
