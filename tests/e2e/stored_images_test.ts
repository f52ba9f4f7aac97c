/** What operators see of the store and do to it through a daemon. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs";
import { join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import { ImageKind, type Operation, OperationKind, OperationState } from "../../src/wire/mod.ts";
import { eventually } from "../fixtures/eventually.ts";
import { request, sharedNode } from "./node.ts";

const shared = sharedNode();

const call: ReturnType<typeof shared>["client"]["operations"]["call"] = (...args) =>
  shared().client.operations.call(...args);

/** A workspace of an owner with a file, which is saved. */
async function workspace(id: string, owner: string, metaId: string, content: string) {
  const { client } = shared();
  await client.initWorkspace(request(id, { metadata: { owner, metaId } }));
  await Deno.writeTextFile(join(shared().workspace(id), "file"), content);
  return client;
}

/** Resolves to an operation once it has ended. */
async function ended(operation: Operation | undefined): Promise<Operation> {
  return await eventually(async () => {
    const { operation: found } = await call("getOperation", { id: operation!.id });
    assert(found?.endTime, `operation ${operation!.id} has not ended`);
    return found;
  });
}

async function fails(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((error) => error);
  assert(error instanceof ClientError, `${error}`);
  return `${error.code} ${error.reason}`;
}

const backupSpec = {
  spec: { case: "backup", value: { checkoutLocation: "", fromVolumeSnapshot: false } },
} as const;

function blobFiles() {
  return Array.fromAsync(walk(join(shared().root, "store", "blobs"), { includeDirs: false }));
}

Deno.test("images are listed, shown and deleted by owner, meta_id and url, in pages", async () => {
  const client = await workspace("a", "alice", "notes", "one");
  const snapshots: string[] = [];
  for (let n = 0; n < 3; n++) snapshots.push(await client.takeSnapshot({ id: "a" }));
  const backup = await client.backupWorkspace("a");
  await (await workspace("b", "bob", "notes", "two")).backupWorkspace("b");

  const own = await call("listImages", { owner: "alice", metaId: "notes" });
  assertEquals(own.images.map(({ url }) => url), [backup, ...snapshots.toSorted()]);
  assertEquals(own.images[0]?.kind, ImageKind.BACKUP);
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await call("listImages", { owner: "alice", pageSize: 3, pageToken });
    pages.push(page.images.map(({ url }) => url));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  assertEquals(pages.map(({ length }) => length), [3, 1]);
  assertEquals(pages.flat(), own.images.map(({ url }) => url));
  assertEquals((await call("listImages", {})).images.length, 5);
  assertEquals(
    await fails(call("listImages", { metaId: "notes" })),
    "INVALID_ARGUMENT INVALID_REQUEST",
  );

  const { image, layers, storedBytes } = await call("getImage", { url: backup });
  assertEquals([image?.files, image?.contentBytes, layers], [1n, 3n, 2]);
  assert(storedBytes > 0n);

  const unknown = snapshots[0]!.replace(/.{16}$/, "0".repeat(16));
  const deleted = await call("deleteImages", { urls: [snapshots[0]!, unknown, "?"] });
  assertEquals(deleted.urls, [snapshots[0]]);
  assertEquals(deleted.failures.map(({ url, failure }) => [url, failure?.code]), [
    [unknown, "NOT_FOUND"],
    ["?", "INVALID_ARGUMENT"],
  ]);
  assertEquals(await fails(call("getImage", { url: snapshots[0]! })), "NOT_FOUND NOT_FOUND");
  const rest = await call("deleteImages", { owner: "alice", metaId: "notes" });
  assertEquals(rest.urls, [backup, snapshots[1], snapshots[2]].toSorted());
  assertEquals((await call("listImages", { owner: "alice" })).images, []);
  const { operations } = await call("listOperations", { rootsOnly: true });
  assertEquals(
    operations.filter(({ kind, figures }) => kind === OperationKind.DELETION && "images" in figures)
      .map((one) => [one.owner, one.metaId, one.state, one.figures.images]),
    [["", "", OperationState.SUCCEEDED, 1n], ["alice", "notes", OperationState.SUCCEEDED, 3n]],
  );
  assertEquals(await fails(call("deleteImages", {})), "INVALID_ARGUMENT INVALID_REQUEST");
});

Deno.test("an owner's images and logs go at once, and what only they needed with a collection", async () => {
  const client = await workspace("c", "carol", "notes", "secret");
  await Deno.writeTextFile(join(shared().workspace("c"), "prebuild-log-1"), "logged");
  await client.takeSnapshot({ id: "c" });
  assertEquals(
    await fails(call("deleteOwner", { owner: "carol" })),
    "FAILED_PRECONDITION OWNER_HAS_WORKSPACES",
  );
  await client.disposeWorkspace({ id: "c", backup: true, backupLogs: true });
  const { images, logs } = await call("deleteOwner", { owner: "carol" });
  assertEquals([images, logs], [2n, 1n]);
  const left = await Array.fromAsync(
    walk(join(shared().root, "store"), { includeDirs: false }),
    ({ path }) => path,
  );
  assertEquals(left.filter((path) => path.includes("carol")), []);
  const again = await call("deleteOwner", { owner: "carol" });
  assertEquals([again.images, again.logs], [0n, 0n]);

  const before = (await blobFiles()).length;
  const grace = { seconds: 0n };
  const dry = await ended((await call("runCollection", { grace, dryRun: true })).operation);
  assertEquals(dry.state, OperationState.SUCCEEDED, dry.failure?.message);
  assert(dry.figures.deleted_blobs! > 0n);
  assertEquals((await blobFiles()).length, before);
  const done = await ended((await call("runCollection", { grace, force: true })).operation);
  assertEquals([done.state, done.figures.dry_run], [OperationState.SUCCEEDED, 0n]);
  assertEquals((await blobFiles()).length, before - Number(done.figures.deleted_blobs));
});

Deno.test("a verification names the damaged blob and the images that need it", async () => {
  const client = await workspace("d", "dave", "notes", "precious");
  const url = await client.backupWorkspace("d");
  const sound = await ended((await call("runVerification", { urls: [url] })).operation);
  assertEquals([sound.state, sound.figures.damaged, sound.findings], [
    OperationState.SUCCEEDED,
    0n,
    [],
  ]);
  assertEquals(sound.progress?.bytesDone, sound.figures.bytes);
  const blobs = await blobFiles();
  const damaged: string[] = [];
  for (const { path } of blobs) {
    const bytes = await Deno.readFile(path);
    // A layer is a zstd frame.
    if (bytes[0] !== 0x28 || bytes[1] !== 0xb5) continue;
    bytes[bytes.length - 1]! ^= 1;
    const mode = Deno.statSync(path).mode!;
    await Deno.chmod(path, 0o600);
    await Deno.writeFile(path, bytes);
    await Deno.chmod(path, mode & 0o777);
    damaged.push(path.split("/").at(-1)!);
  }
  const found = await ended((await call("runVerification", { urls: [url] })).operation);
  assertEquals(found.state, OperationState.SUCCEEDED);
  assertEquals(Number(found.figures.damaged), found.findings.length);
  assert(found.findings.length > 0);
  for (const finding of found.findings) {
    assertMatch(finding, /^sha256:[0-9a-f]{64}: .*; needed by wsdaemon:backup\/dave\/notes@/);
    assert(damaged.includes(finding.slice(7, 71)));
  }
  const removed = await ended(
    (await call("runVerification", { urls: [url], quarantine: true })).operation,
  );
  assertEquals(removed.figures.quarantined, found.figures.damaged);
  await client.backupWorkspace("d");
  const failed = await ended((await call("runVerification", { urls: ["?"] })).operation);
  assertEquals([failed.state, failed.failure?.code], [OperationState.FAILED, "INVALID_ARGUMENT"]);
  assertStringIncludes(failed.failure!.message, "must be");
  await call("deleteImages", { owner: "dave", metaId: "notes" });
});

Deno.test("the backup of a workspace that began anew is kept beside what nobody went on from", async () => {
  const owner = { owner: "lin", metaId: "notes" };
  const urls = async () => (await call("listImages", owner)).images.map(({ url }) => url);
  const client = await workspace("l1", "lin", "notes", "never restored");
  const first = await client.backupWorkspace("l1");
  await client.disposeWorkspace({ id: "l1" });
  await workspace("l2", "lin", "notes", "another beginning");
  const second = await client.backupWorkspace("l2");
  assertEquals(await urls(), [second, first]);
  assertStringIncludes(shared().daemon.log, `does not go on from ${first}`);
  // What is restored lives on in its next backup, and as itself until then.
  await client.initWorkspace(request("l3", { metadata: owner, initializer: backupSpec }));
  assertEquals(await client.backupWorkspace("l3"), second);
  assertEquals(await urls(), [second, first]);
  await Deno.writeTextFile(join(shared().workspace("l3"), "more"), "work");
  const third = await client.backupWorkspace("l3");
  assertEquals(await urls(), [third, first]);
  await client.backupWorkspace("l2");
  assertEquals(await urls(), [second, third, first]);
  for (const id of ["l2", "l3"]) await client.disposeWorkspace({ id });
  await call("deleteImages", owner);
});
