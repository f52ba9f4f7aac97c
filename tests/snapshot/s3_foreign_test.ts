/**
 * Whatever answers in the store's place during a backup, a restore, a collection or a verification:
 * what was acknowledged restores, no retained backup is forgotten, and no blob that one needs is deleted.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { systemClock } from "../../src/clock.ts";
import { verifyImages } from "../../src/inspect/verify.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { collect } from "../../src/store/collect.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import type { Fault } from "../fixtures/fault_proxy.ts";
import { FOREIGN } from "../fixtures/foreign.ts";
import { startS3 } from "../fixtures/s3rver.ts";
import { runs } from "../fixtures/soak.ts";
import { assertCode } from "../store/conformance.ts";
import { LEASE_KEY } from "../../src/store/keys.ts";
import { S3Node } from "./s3_node.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const HOUR = 3600_000;
const GRACE_MS = 24 * HOUR;
const ATTEMPTS = 3;
const always = Infinity;

/** What the server says itself, though it is not true. */
const NO_SUCH_KEY: Fault = { kind: "answer", status: 404, code: "NoSuchKey" };
const FAULTS: Record<string, Fault> = {
  "200 with a page": FOREIGN["200 with a page"]!,
  "200 with nothing": FOREIGN["200 with nothing"]!,
  "404 with a page": FOREIGN["404 with a page"]!,
  "404 with nothing": FOREIGN["404 with nothing"]!,
};

/** A node with as many backups as are kept. */
async function openNode(): Promise<{ node: S3Node; backups: Digest[]; text: string }> {
  const node = await S3Node.open(server, ATTEMPTS, 3);
  let text = "";
  for (let n = 0; n < 3; n++) {
    text = await node.edit();
    await node.backup();
  }
  return { node, backups: await node.stored(), text };
}

const BACKUP_REQUESTS = [
  /^GET .*refs/,
  /^GET .*blobs/,
  /^HEAD .*blobs/,
  /^GET .*list-type/,
  /^PUT .*refs/,
  /^PUT .*blobs/,
  /^POST /,
];

Deno.test("backup that somebody else answers for keeps every retained one, and is not acknowledged in vain", async () => {
  const opened = await openNode();
  await using node = opened.node;
  let { backups, text } = opened;
  for (const on of BACKUP_REQUESTS) {
    for (const [name, fault] of Object.entries({ ...FAULTS, "404 NoSuchKey": NO_SUCH_KEY })) {
      const what = `${name} on ${on}`;
      const next = await node.edit();
      node.proxy.plan({ fault, on, times: always });
      const outcome = await node.backup().catch(({ code }) => code);
      node.proxy.plan();
      const stored = await node.stored();
      if (outcome === "UNAVAILABLE") {
        assertEquals(stored.length, 3, what);
        // What a failed one wrote is whole; what was there before it is still there.
        if (stored[0] !== backups[0]) text = next;
        assert(stored.slice(0, 2).some((one) => one === backups[0]), what);
      } else {
        assertEquals([stored[0], stored.length], [outcome, 3], what);
        text = next;
      }
      assertEquals(await node.restore(), text, what);
      backups = stored;
    }
  }
});

Deno.test("restore that somebody else answers for is UNAVAILABLE: there may well be a backup", async () => {
  const { node, text } = await openNode();
  await using _ = node;
  for (const [name, fault] of Object.entries(FOREIGN)) {
    for (const on of [/^GET .*refs/, /^GET /, /./]) {
      node.proxy.plan({ fault, on, times: always });
      await assertCode("UNAVAILABLE", () => node.restore());
      node.proxy.assertAllFired();
    }
    node.proxy.plan({ fault, on: /^GET .*refs/ });
    assertEquals(await node.restore(), text, name);
  }
  node.proxy.plan({ fault: NO_SUCH_KEY, on: /^GET .*refs.*GetObject/, times: always });
  await assertCode("UNAVAILABLE", () => node.restore(), "lists");
});

Deno.test("verification that somebody else answers for is UNAVAILABLE, and not all right", async () => {
  const { node } = await openNode();
  await using _ = node;
  openLibc(libcPath());
  using spool = Directory.open(node.started.areas.spool);
  const verify = () => verifyImages({ store: node.bench.store, spool });
  for (const fault of [...Object.values(FAULTS), NO_SUCH_KEY]) {
    node.proxy.plan({ fault, on: /^GET .*refs.*GetObject/, times: always });
    await assertCode("UNAVAILABLE", verify);
  }
  node.proxy.plan();
  assertEquals((await verify()).images, 3);
});

/** Every blob that a backup needs is gone over by the server's disk in {@link S3Node.stored}. */
async function collectOnce({ bench }: S3Node, { dryRun = false } = {}): Promise<number> {
  const { deleted } = await collect(bench.store, {
    mark: (signal) => liveBlobs(bench.store, signal),
    graceMs: GRACE_MS,
    clock: systemClock,
    force: true,
    dryRun,
  });
  return deleted.count;
}

async function makeOld({ bench }: S3Node): Promise<void> {
  for await (const { key } of bench.store.list("blobs/")) await bench.age(key, 2 * GRACE_MS);
}

Deno.test("collection stops at a reference that is listed and cannot be read, dry or not", async () => {
  const { node, backups } = await openNode();
  await using _ = node;
  await makeOld(node);
  for (const [name, fault] of Object.entries({ ...FAULTS, "404 NoSuchKey": NO_SUCH_KEY })) {
    for (const dryRun of [true, false]) {
      node.proxy.plan({ fault, on: /^GET .*refs.*GetObject/, times: always });
      await assertCode("UNAVAILABLE", () => collectOnce(node, { dryRun }), "refs/");
      node.proxy.assertAllFired();
      node.proxy.plan();
      assertEquals(await node.stored(), backups, name);
    }
  }
});

const REQUESTS: Record<string, RegExp> = {
  references: /^GET .*refs.*GetObject/,
  manifests: /^GET .*blobs.*GetObject/,
  listings: /^GET .*list-type/,
  "the lease": /lease/,
  "looks at blobs": /^HEAD .*blobs/,
  deletions: /^DELETE/,
  uploads: /^PUT/,
  anything: /./,
};

Deno.test("collection deletes no blob that a backup needs, whoever answers for the store meanwhile", async () => {
  const { node, backups } = await openNode();
  await using _ = node;
  const { store } = node.bench;
  const lies: Record<string, Fault> = {
    ...FOREIGN,
    "404 NoSuchKey": NO_SUCH_KEY,
    "503": { kind: "answer", status: 503, code: "SlowDown" },
    "a lost answer": { kind: "lose-answer" },
  };
  const interference = fc.record({
    on: fc.constantFrom(...Object.keys(REQUESTS)),
    lie: fc.constantFrom(...Object.keys(lies)),
    skip: fc.nat(6),
    times: fc.constantFrom(1, 2, 5, always),
  });
  let dead = 0;
  const property = fc.asyncProperty(fc.array(interference, { maxLength: 4 }), async (plan) => {
    const garbage = new TextEncoder().encode(`dead ${dead++}`);
    await store.putBlobBytes(digestOf(garbage), garbage);
    await makeOld(node);
    node.proxy.plan(...plan.map(({ on, lie, skip, times }) => (
      { fault: lies[lie]!, on: REQUESTS[on]!, skip, times }
    )));
    const outcome = await collectOnce(node).then(() => "success", ({ code }) => code);
    node.proxy.plan();
    const known = ["success", "UNAVAILABLE", "FAILED_PRECONDITION", "DATA_LOSS"];
    assert(known.includes(outcome), outcome);
    assertEquals(await node.stored(), backups);
    // What a collection that failed says of itself would hold up the next for minutes.
    await store.deleteRef(LEASE_KEY);
  });
  await fc.assert(property, { numRuns: runs(12, 200) });
  const garbage = new TextEncoder().encode("dead for good");
  await store.putBlobBytes(digestOf(garbage), garbage);
  await makeOld(node);
  assert(await collectOnce(node) > 0);
  assertEquals(await store.hasBlob(digestOf(garbage), garbage.length, { touch: false }), false);
  assertEquals(await node.stored(), backups);
});
