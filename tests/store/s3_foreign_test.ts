/** Whatever answers in the store's place, at whatever kind of request: UNAVAILABLE, and nothing lost. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { digestOf } from "../../src/digest.ts";
import { blobKey, LEASE_KEY } from "../../src/store/keys.ts";
import { type Fault, FaultProxy } from "../fixtures/fault_proxy.ts";
import { FOREIGN } from "../fixtures/foreign.ts";
import { OTHER_BUCKET, startS3 } from "../fixtures/s3rver.ts";
import { assertCode, collectList, freshBytes, spool } from "./conformance.ts";
import { openS3Bench, type S3Bench } from "./s3_bench.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const HOUR = 3600_000;
const REF = "refs/backups/o/m.json";
const small = freshBytes(5000);
const big = freshBytes(96 << 10);

async function withProxy(
  work: (bench: S3Bench, proxy: FaultProxy) => Promise<void>,
  attempts = 2,
): Promise<void> {
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  try {
    const tuning = { attempts, multipartThreshold: 32 << 10, partSize: 32 << 10 };
    await using bench = await openS3Bench(server, { endpoint: proxy.endpoint, tuning });
    await work(bench, proxy);
  } finally {
    await proxy.close();
  }
}

async function held(bench: S3Bench, bytes: Uint8Array): Promise<Uint8Array> {
  const file = await bench.store.acquireBlob(digestOf(bytes), bytes.length);
  try {
    return await Deno.readFile(join(bench.spoolDir, file.path));
  } finally {
    await file.release();
  }
}

/** One kind of request, and an operation of the store that sends it. */
interface Operation {
  on: RegExp;
  run(bench: S3Bench): Promise<unknown>;
}

const putSmall = ({ store }: S3Bench) => {
  const bytes = freshBytes(100);
  return store.putBlobBytes(digestOf(bytes), bytes);
};
const putBig = async (bench: S3Bench) =>
  bench.store.putBlob(await spool(bench.spoolDir, freshBytes(big.length)));

const OPERATIONS: Record<string, Operation> = {
  PutObject: {
    on: /^PUT .*blobs.*=PutObject/,
    run: putSmall,
  },
  "PutObject of a reference": {
    on: /^PUT .*refs/,
    run: ({ store }) => store.putRef(REF, freshBytes(10)),
  },
  "PutObject of a claim": {
    on: /^PUT .*lease/,
    run: ({ store }) => store.compareAndClaimRef(LEASE_KEY, () => freshBytes(10)),
  },
  CreateMultipartUpload: { on: /^POST .*\?uploads/, run: putBig },
  UploadPart: { on: /^PUT .*partNumber=2/, run: putBig },
  CompleteMultipartUpload: { on: /^POST .*uploadId=/, run: putBig },
  "HeadObject after CompleteMultipartUpload": {
    on: /^(HEAD .*blobs|GET .*blobs.*GetObject)/,
    run: putBig,
  },
  CopyObject: {
    on: /^PUT .*blobs.*=CopyObject/,
    run: async (bench) => {
      await bench.age(blobKey(digestOf(small)), 20 * HOUR);
      await bench.store.hasBlob(digestOf(small), small.length);
    },
  },
  HeadObject: {
    on: /^(HEAD|GET) .*blobs/,
    run: ({ store }) => store.hasBlob(digestOf(small), small.length, { touch: false }),
  },
  "HeadObject of an archive": {
    on: /^(HEAD|GET) .*full.tar/,
    run: ({ store }) => store.acquireArchive("full.tar", OTHER_BUCKET),
  },
  "GetObject of a small blob": {
    on: /^GET .*blobs/,
    run: ({ store }) => store.getBlobBytes(digestOf(small), small.length),
  },
  "GetObject of a large blob": { on: /^GET .*blobs/, run: (bench) => held(bench, big) },
  "GetObject of a reference": { on: /^GET .*refs/, run: ({ store }) => store.getRef(REF) },
  "GetObject of the lease": {
    on: /^GET .*lease/,
    run: putSmall,
  },
  ListObjectsV2: { on: /^GET .*list-type/, run: ({ store }) => collectList(store, "refs/") },
  "ListObjectsV2 as a probe": { on: /^GET .*list-type/, run: ({ store }) => store.probe() },
  "DeleteObject of a reference": { on: /^DELETE .*refs/, run: ({ store }) => store.deleteRef(REF) },
  "DeleteObject of a blob": {
    on: /^DELETE .*blobs/,
    run: ({ store }) => store.deleteBlob(digestOf(small)),
  },
  ListMultipartUploads: {
    on: /^GET .*uploads/,
    run: ({ store }) => store.sweepLeftovers(Date.now()),
  },
};

async function prepare(bench: S3Bench): Promise<void> {
  await bench.store.putBlobBytes(digestOf(small), small);
  await bench.store.putBlob(await spool(bench.spoolDir, big));
  await bench.store.putRef(REF, small);
  await bench.plantArchive("full.tar", OTHER_BUCKET, big);
}

for (const [operation, { on, run }] of Object.entries(OPERATIONS)) {
  Deno.test(`S3 store says UNAVAILABLE when ${operation} is answered by somebody else, and loses nothing`, () =>
    withProxy(async (bench, proxy) => {
      await prepare(bench);
      const codes: Record<string, string> = {};
      for (const [name, fault] of Object.entries(FOREIGN)) {
        proxy.plan({ fault, on, times: Infinity });
        const error = await run(bench).then(() => undefined, (error) => error);
        proxy.assertAllFired();
        proxy.plan();
        codes[name] = error?.code ?? "success";
        assert(!error?.message.includes("secret"), error?.message);
        assert(!/Deserialization|JSON|store rm/.test(error?.message), error?.message);
      }
      assertEquals(await bench.store.getBlobBytes(digestOf(small), small.length), small);
      assertEquals(await bench.store.getRef(REF), small);
      assertEquals(await held(bench, big), big);
      const expected = Object.fromEntries(
        Object.keys(FOREIGN).map((name) => [name, "UNAVAILABLE"]),
      );
      assertEquals(codes, expected);
    }));
}

for (const [operation, { on, run }] of Object.entries(OPERATIONS)) {
  Deno.test(`S3 store gets over an answer of somebody else to ${operation}`, () =>
    withProxy(async (bench, proxy) => {
      await prepare(bench);
      for (const fault of Object.values(FOREIGN)) {
        proxy.plan({ fault, on });
        await run(bench);
        proxy.assertAllFired();
        proxy.plan();
        if (operation.startsWith("DeleteObject")) await prepare(bench);
      }
    }, 3));
}

Deno.test("S3 store says what came back, and where, when it was not S3 that answered", () =>
  withProxy(async ({ store }, proxy) => {
    const portal = FOREIGN["200 with a page"]!;
    proxy.plan({ fault: portal, on: /^PUT/, times: Infinity });
    const put = () => store.putRef(REF, small);
    const { message } = await assertCode("UNAVAILABLE", put);
    for (
      const part of [
        `Cannot write ${REF}`,
        proxy.endpoint,
        "PutObject",
        "200",
        "text/html",
        "Sign in to the network",
        "captive portal",
      ]
    ) {
      assertStringIncludes(message, part);
    }
    const leaky =
      "<html>Authorization: AWS4-HMAC-SHA256 Signature=0123456789abcdef0123456789abcdef";
    proxy.plan({ fault: { ...portal, body: leaky }, on: /./, times: Infinity });
    const leak = await assertCode("UNAVAILABLE", put);
    assert(!leak.message.includes("0123456789abcdef"), leak.message);
    proxy.plan({ fault: FOREIGN["302 to a page"]!, on: /./, times: Infinity });
    const redirect = await assertCode("UNAVAILABLE", put, "https://login.example.org");
    assert(!redirect.message.includes("session"), redirect.message);
  }));

Deno.test("S3 store reads a reference back, and believes nobody who only says that it is stored", () =>
  withProxy(async ({ store }, proxy) => {
    await store.putRef(REF, small);
    const later = freshBytes(20);
    const md5 = createHash("md5").update(later).digest("hex");
    // Everything that S3 says to an upload, and nothing done.
    for (const etag of ["0123-1", md5]) {
      const lie: Fault = { kind: "foreign", status: 200, body: "", headers: { ETag: etag } };
      proxy.plan({ fault: lie, on: /^PUT .*refs/, times: Infinity });
      await assertCode("UNAVAILABLE", () => store.putRef(REF, later), "something else back");
      await assertCode("UNAVAILABLE", () => store.putRef(`${REF}.new`, later));
      assertEquals(await store.getRef(REF), small);
      proxy.plan({ fault: lie, on: /^PUT .*refs/ });
      await store.putRef(REF, later);
      proxy.assertAllFired();
      assertEquals(await store.getRef(REF), later);
      await store.putRef(REF, small);
    }
  }));

Deno.test("S3 store takes no other object for a reference, though it comes with all that S3 sends", () =>
  withProxy(async ({ store }, proxy) => {
    await store.putRef(REF, small);
    const headers = { ETag: '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT" };
    const other: Fault = { kind: "foreign", status: 200, body: "welcome", headers };
    proxy.plan({ fault: other, on: /^GET .*refs.*GetObject/, times: Infinity });
    await assertCode("UNAVAILABLE", () => store.getRef(REF), "no such");
  }));

Deno.test("S3 store believes no size and no listing that another request contradicts", () =>
  withProxy(async (bench, proxy) => {
    await prepare(bench);
    const dated = { "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT" };
    const other: Fault = { kind: "foreign", status: 200, body: "another size", headers: dated };
    proxy.plan({ fault: other, on: /^HEAD .*blobs/, times: Infinity });
    for (const touch of [false, true]) {
      const look = () => bench.store.hasBlob(digestOf(small), small.length, { touch });
      await assertCode("UNAVAILABLE", look, "HeadObject was answered with 12 bytes");
    }
    await bench.tamper(blobKey(digestOf(small)), small.subarray(1));
    proxy.plan();
    assertEquals(await bench.store.hasBlob(digestOf(small), small.length), false);
    const cached = "<ListBucketResult><Prefix>other/</Prefix><IsTruncated>false</IsTruncated>" +
      "</ListBucketResult>";
    proxy.plan({ fault: { kind: "page", body: cached }, on: /list-type/, times: Infinity });
    await assertCode("UNAVAILABLE", () => collectList(bench.store, "refs/"), "instead of");
  }));

Deno.test("S3 store asks that no cache answers what it reads", () =>
  withProxy(async (bench, proxy) => {
    await prepare(bench);
    proxy.plan();
    await bench.store.getRef(REF);
    await bench.store.hasBlob(digestOf(small), small.length);
    await collectList(bench.store, "refs/");
    assertEquals(proxy.requests.length, 3);
    for (const { headers } of proxy.requests) assertEquals(headers["cache-control"], "no-cache");
  }));

Deno.test("a blob answered with foreign content and an ETag is UNAVAILABLE, damaged content is DATA_LOSS", () =>
  withProxy(async (bench, proxy) => {
    await bench.store.putBlobBytes(digestOf(small), small);
    await bench.store.putBlob(await spool(bench.spoolDir, big));
    const reads = {
      [digestOf(small)]: () => bench.store.getBlobBytes(digestOf(small), 5000),
      [digestOf(big)]: () => held(bench, big),
    };
    const on = /^GET .*blobs\/.*GetObject/;
    const headers = { "content-type": "application/octet-stream", ETag: '"0123"' };
    for (const [digest, read] of Object.entries(reads)) {
      const length = digest === digestOf(small) ? small.length : big.length;
      for (const body of ["sign in", "x".repeat(length), "y".repeat(length * 2)]) {
        proxy.plan({ fault: { kind: "foreign", status: 200, body, headers }, on, times: Infinity });
        await assertCode("UNAVAILABLE", read, digest);
        proxy.plan({ fault: { kind: "foreign", status: 200, body, headers }, on, times: 1 });
        await read();
      }
      proxy.plan({ fault: { kind: "corrupt-answer" }, on, times: Infinity });
      await assertCode("DATA_LOSS", read, digest);
      proxy.plan({ fault: { kind: "corrupt-answer" }, on, times: 1 });
      await read();
    }
    assertEquals([...Deno.readDirSync(bench.spoolDir)], []);
  }));
