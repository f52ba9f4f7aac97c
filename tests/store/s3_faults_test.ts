/** Every fault at every kind of request: it ends in success after retries, or in the error named. */

import { assert, assertEquals } from "@std/assert";
import { emptyDir } from "@std/fs";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { MeteredStore } from "../../src/store/metered_store.ts";
import { StoreMetrics } from "../../src/store/store_metrics.ts";
import { collect } from "../../src/store/collect.ts";
import { blobKey, LEASE_KEY } from "../../src/store/keys.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { type Fault, FaultProxy, type PlannedFault } from "../fixtures/fault_proxy.ts";
import { startS3 } from "../fixtures/s3rver.ts";
import { assertCode, collectList, freshBytes, spool } from "./conformance.ts";
import { openS3Bench, type S3Bench } from "./s3_bench.ts";

const server = await startS3();
const upstream = { hostname: server.host, port: server.port };
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

/** Small parts: what is proved of them does not depend on their size. */
const PARTS = { multipartThreshold: 32 << 10, partSize: 16 << 10 };
/** Six parts. */
const BIG = 96 << 10;
const SMALL = 20_000;
/** By a clock that the proxy turns while it stalls: a busy machine's silence is no stall. */
const STALL_MS = 600_000;
/** What is under way beside a request that stalls may be taken for stalled as well. */
const ATTEMPTS_AT_STALLS = 12;
const HOUR = 3600_000;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const always = Infinity;

const isStall = ({ kind }: Fault) => kind.startsWith("stall");

async function withProxy(
  work: (bench: S3Bench, proxy: FaultProxy) => Promise<void>,
  { stalls = false } = {},
): Promise<void> {
  const wireClock = new ManualClock();
  const proxy = new FaultProxy(upstream, () => wireClock.wakeLong(STALL_MS));
  try {
    const { endpoint } = proxy;
    const attempts = stalls ? { attempts: ATTEMPTS_AT_STALLS } : {};
    const tuning = { stallMs: STALL_MS, ...attempts, ...PARTS };
    await using bench = await openS3Bench(server, { endpoint, tuning, wireClock });
    await work(bench, proxy);
    proxy.assertAllFired();
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

/** Steps of a backup: what is done under the fault, and how one sees it worked. */
const STEPS: Record<string, { on: RegExp; run(bench: S3Bench): Promise<() => Promise<void>> }> = {
  "a small upload": {
    on: /^PUT .*blobs.*=PutObject/,
    async run(bench) {
      const bytes = freshBytes(SMALL);
      await bench.store.putBlob(await spool(bench.spoolDir, bytes));
      return async () => assertEquals(await held(bench, bytes), bytes);
    },
  },
  "a part": { on: /^PUT .*partNumber=3/, run: putBig },
  "the start of an upload": { on: /^POST .*\?uploads/, run: putBig },
  "the end of an upload": { on: /^POST .*uploadId=/, run: putBig },
  "the look for a blob": { on: /^HEAD .*blobs/, run: putBig },
  "a reference's replacement": {
    on: /^PUT .*refs/,
    async run(bench) {
      await bench.store.putRef("refs/a/b.json", bytesOf("second"));
      return async () => assertEquals(await bench.store.getRef("refs/a/b.json"), bytesOf("second"));
    },
  },
};

async function putBig(bench: S3Bench): Promise<() => Promise<void>> {
  const bytes = freshBytes(BIG);
  await bench.store.putBlob(await spool(bench.spoolDir, bytes));
  return async () => assertEquals(await held(bench, bytes), bytes);
}

/** Faults that pass: whatever step they meet, it succeeds in the end. */
const PASSING: Fault[] = [
  { kind: "answer", status: 503, code: "SlowDown", headers: { "Retry-After": "0" } },
  { kind: "answer", status: 500, code: "InternalError" },
  { kind: "answer", status: 429, code: "TooManyRequests" },
  { kind: "answer", status: 400, code: "RequestTimeout" },
  { kind: "reset-before" },
  { kind: "lose-answer" },
  { kind: "stall" },
];

for (const fault of PASSING) {
  const name = fault.kind === "answer" ? fault.status : fault.kind;
  // The answer to a HEAD has no body, so that a 400 could be anything.
  const steps = Object.entries(STEPS).filter(([, { on }]) =>
    name !== 400 || !on.source.includes("HEAD")
  );
  Deno.test(`S3 store gets over ${name}, twice at every step`, () =>
    withProxy(async (bench, proxy) => {
      const on = new RegExp(steps.map(([, { on }]) => on.source).join("|"));
      proxy.plan({ fault, on, times: 2, each: true });
      const runs = new Set(steps.map(([, { run }]) => run));
      const checks = [];
      for (const run of runs) checks.push(await run(bench));
      for (const [step, { on }] of steps) {
        const met = proxy.requests.filter(({ line, fault }) => fault && on.test(line));
        assert(met.length > 0, `nothing befell ${step}`);
      }
      proxy.plan();
      for (const check of checks) await check();
      assertEquals([...Deno.readDirSync(bench.spoolDir)], []);
    }, { stalls: isStall(fault) }));
}

/** Faults that stay: what each step ends in. */
const LASTING: [name: string, fault: Fault, code: ErrorCode][] = [
  ["503", { kind: "answer", status: 503, code: "SlowDown" }, "UNAVAILABLE"],
  ["500", { kind: "answer", status: 500, code: "InternalError" }, "UNAVAILABLE"],
  ["resets", { kind: "reset-before" }, "UNAVAILABLE"],
  [
    "a wrong signature",
    { kind: "answer", status: 403, code: "SignatureDoesNotMatch" },
    "FAILED_PRECONDITION",
  ],
  [
    "a missing bucket",
    { kind: "answer", status: 404, code: "NoSuchBucket" },
    "FAILED_PRECONDITION",
  ],
  [
    "a full bucket",
    { kind: "answer", status: 507, code: "InsufficientStorage" },
    "RESOURCE_EXHAUSTED",
  ],
  ["a quota", { kind: "answer", status: 403, code: "QuotaExceeded" }, "RESOURCE_EXHAUSTED"],
];

for (const [name, fault, code] of LASTING) {
  Deno.test(`S3 store says ${code} when uploads keep meeting ${name}, and keeps the spool file`, () =>
    withProxy(async (bench, proxy) => {
      await bench.store.putRef("refs/a/b.json", bytesOf("before"));
      for (const [step, { on, run }] of Object.entries(STEPS)) {
        // A HEAD has no body that could name what is missing.
        if (step === "the look for a blob" && fault.kind === "answer") continue;
        proxy.plan({ fault, on, times: always });
        await assertCode(code, () => run(bench));
        proxy.assertAllFired();
        if (/upload|part/.test(step)) {
          const left = [...Deno.readDirSync(bench.spoolDir)].length;
          assertEquals(left, 1, "the spool file is still there to try again");
        }
        await emptyDir(bench.spoolDir);
      }
      proxy.plan();
      assertEquals(await bench.store.getRef("refs/a/b.json"), bytesOf("before"));
      assertEquals([...(await collectList(bench.store, "blobs/")).keys()], []);
    }));
}

const PUT_REFERENCE = /^PUT .*refs/;

/** Returns the conditions of the writes of references since the last plan. */
function conditionsOf({ requests }: FaultProxy): string[] {
  return requests.filter(({ line }) => PUT_REFERENCE.test(line))
    .map(({ headers }) => headers["if-match"] ? "same" : headers["if-none-match"] ?? "none");
}

Deno.test("S3 store replaces a reference on the condition that it has not changed", () =>
  withProxy(async ({ store }, proxy) => {
    const [key, put] = ["refs/a/b.json", PUT_REFERENCE];
    const conditions = () => conditionsOf(proxy);
    const [first, second, third] = [bytesOf("first"), bytesOf("second"), bytesOf("third")];
    assertEquals(await store.replaceRef(key, undefined, first), true);
    assertEquals(await store.replaceRef(key, first, second), true);
    assertEquals(conditions(), ["*", "same"]);
    // A server whose answer says that another writer was faster is asked what there is.
    proxy.plan({ fault: { kind: "answer", status: 412, code: "PreconditionFailed" }, on: put });
    assertEquals(await store.replaceRef(key, second, third), true);
    assertEquals(await store.replaceRef(key, third, second), true);
    // One that says so and gives the same back is not believed.
    const changed: Fault = { kind: "answer", status: 412, code: "PreconditionFailed" };
    proxy.plan({ fault: changed, on: put, times: always });
    await assertCode(
      "UNAVAILABLE",
      () => store.replaceRef(key, second, third),
      "gives the same back",
    );
    // An answer that is lost is no other writer's doing.
    proxy.plan({ fault: { kind: "lose-answer" }, on: put });
    assertEquals(await store.replaceRef(key, second, third), true);
    // What a proxy has made of an ETag is no condition that the server can meet.
    const weak: Fault = { kind: "other-etag", etag: () => 'W/"1"' };
    proxy.plan({ fault: weak, on: /^GET .*refs/, times: always });
    assertEquals(await store.replaceRef(key, third, second), true);
    assertEquals(await store.replaceRef(key, second, third), true);
    assertEquals(conditions(), ["none", "none"]);
    // A server without conditional writes is asked once.
    proxy.plan({ fault: { kind: "answer", status: 501, code: "NotImplemented" }, on: put });
    assertEquals(await store.replaceRef(key, third, first), true);
    assertEquals(await store.replaceRef(key, first, second), true);
    assertEquals(conditions(), ["same", "none", "none"]);
    assertEquals(await store.getRef(key), second);
  }));

Deno.test("S3 store asks once an hour for a conditional write that was called unknown", async () => {
  const proxy = new FaultProxy(upstream);
  await using _closing = { [Symbol.asyncDispose]: () => proxy.close() };
  let ahead = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead };
  await using bench = await openS3Bench(server, { endpoint: proxy.endpoint, clock });
  const [first, second] = [bytesOf("first"), bytesOf("second")];
  const replace = (from: Uint8Array | undefined, to: Uint8Array) =>
    bench.store.replaceRef("refs/a/b.json", from, to);
  assertEquals(await replace(undefined, first), true);
  const unknown: Fault = { kind: "answer", status: 501, code: "NotImplemented" };
  proxy.plan({ fault: unknown, on: PUT_REFERENCE });
  assertEquals(await replace(first, second), true);
  assertEquals(await replace(second, first), true);
  assertEquals(conditionsOf(proxy), ["same", "none", "none"]);
  ahead = HOUR + 1;
  assertEquals(await replace(first, second), true);
  assertEquals(conditionsOf(proxy), ["same", "none", "none", "same"]);
});

Deno.test("S3 store does not repeat what the server refuses for good", () =>
  withProxy(async (bench, proxy) => {
    proxy.plan({ fault: { kind: "answer", status: 403, code: "AccessDenied" }, on: /^PUT/ });
    const put = () => bench.store.putRef("refs/a/b.json", bytesOf("x"));
    await assertCode("FAILED_PRECONDITION", put, "AccessDenied");
    assertEquals(proxy.requests.filter(({ line }) => line.startsWith("PUT")).length, 1);
  }));

Deno.test("S3 store sends a body again that was corrupted on its way", () =>
  withProxy(async (bench, proxy) => {
    // s3rver does not look at Content-MD5; what its ETags mean is learnt from a first upload.
    await bench.store.putRef("refs/a/b.json", bytesOf("x"));
    for (const [on, size] of [[/^PUT .*blobs/, SMALL], [/^PUT .*partNumber=2/, BIG]] as const) {
      const bytes = freshBytes(size);
      proxy.plan({ fault: { kind: "corrupt-request" }, on });
      await bench.store.putBlob(await spool(bench.spoolDir, bytes));
      proxy.assertAllFired();
      assertEquals(await held(bench, bytes), bytes);
    }
  }));

Deno.test("S3 store finds out anew what ETags are when they stop being MD5, and again when they are", () =>
  withProxy(async (bench, proxy) => {
    const { store } = bench;
    await store.putRef("refs/a/b.json", bytesOf("x"));
    // Encryption is switched on: ETags still look like MD5s, and are none.
    const random = () => crypto.randomUUID().replaceAll("-", "");
    const encrypted: PlannedFault = {
      fault: { kind: "other-etag", etag: () => `"${random()}"` },
      on: /^PUT/,
      times: always,
    };
    proxy.plan(encrypted);
    const [small, big] = [freshBytes(SMALL), freshBytes(BIG)];
    await store.putBlob(await spool(bench.spoolDir, small));
    await store.putRef("refs/a/b.json", bytesOf("y"));
    await store.putBlob(await spool(bench.spoolDir, big));
    proxy.assertAllFired();
    const probes = proxy.requests.filter(({ line }) => /^PUT .*etag-probe/.test(line));
    assertEquals(probes.length, 1, "what was found out is remembered");
    proxy.plan();
    assertEquals(await store.getRef("refs/a/b.json"), bytesOf("y"));
    assertEquals([await held(bench, small), await held(bench, big)], [small, big]);
    assertEquals([...(await collectList(store, "objects/")).keys()], []);
    // And off again: what is corrupted on its way is noticed as before.
    await store.putRef("refs/a/b.json", bytesOf("z"));
    const bytes = freshBytes(SMALL);
    proxy.plan({ fault: { kind: "corrupt-request" }, on: /^PUT .*blobs/ });
    await store.putBlob(await spool(bench.spoolDir, bytes));
    proxy.assertAllFired();
    assertEquals(await held(bench, bytes), bytes);
  }));

Deno.test("S3 store learns from no ETag of a body that is changed on its way each time", () =>
  withProxy(async (bench, proxy) => {
    const put = async (bytes: Uint8Array) =>
      bench.store.putBlob(await spool(bench.spoolDir, bytes));
    // Of this, and of all that could tell why.
    for (const on of [/^PUT .*blobs/, /^PUT/]) {
      proxy.plan({ fault: { kind: "corrupt-request" }, on, times: always });
      await assertCode("UNAVAILABLE", () => put(freshBytes(SMALL)), "other bytes");
      await emptyDir(bench.spoolDir);
    }
    const bytes = freshBytes(SMALL);
    proxy.plan({ fault: { kind: "corrupt-request" }, on: /^PUT .*blobs/, times: 3 });
    await put(bytes);
    proxy.assertAllFired();
    assertEquals(await held(bench, bytes), bytes);
  }));

const FULL: [status: number, code: string][] = [
  [403, "QuotaExceeded"],
  [400, "XMinioAdminBucketQuotaExceeded"],
  [507, "XMinioStorageFull"],
  [403, "ObjectQuotaExceeded"],
  [413, "EntityTooLarge"],
  [400, "EntityTooLarge"],
  [507, "InsufficientStorage"],
];

Deno.test("S3 store says RESOURCE_EXHAUSTED however a server says that it is full", () =>
  withProxy(async (bench, proxy) => {
    const large = { kind: "foreign" as const, body: "<html>413 Request Entity Too Large</html>" };
    const faults: Fault[] = [
      ...FULL.map(([status, code]): Fault => ({ kind: "answer", status, code })),
      { ...large, status: 413, headers: { "Content-Type": "text/html" } },
      { ...large, status: 507 },
    ];
    for (const fault of faults) {
      for (const [step, { on, run }] of Object.entries(STEPS)) {
        if (step === "the look for a blob") continue;
        proxy.plan({ fault, on, times: always });
        await assertCode("RESOURCE_EXHAUSTED", () => run(bench), "raise its quota");
        await emptyDir(bench.spoolDir);
      }
    }
    const rate: Fault = { kind: "answer", status: 429, code: "RequestQuotaExceeded" };
    proxy.plan({ fault: rate, on: /^PUT/, times: 2 });
    await bench.store.putRef("refs/a/b.json", bytesOf("x"));
    proxy.assertAllFired();
  }));

Deno.test("S3 store never says NOT_FOUND of what it was to write or to remove", () =>
  withProxy(async (bench, proxy) => {
    const expected: Record<string, ErrorCode> = {
      NoSuchKey: "UNAVAILABLE",
      NoSuchUpload: "UNAVAILABLE",
      NoSuchBucket: "FAILED_PRECONDITION",
      NoSuchVersion: "FAILED_PRECONDITION",
    };
    for (const [code, expectation] of Object.entries(expected)) {
      for (const [step, { on, run }] of Object.entries(STEPS)) {
        if (step === "the look for a blob") continue;
        proxy.plan({ fault: { kind: "answer", status: 404, code }, on, times: always });
        await assertCode(expectation, () => run(bench), code);
        await emptyDir(bench.spoolDir);
      }
    }
  }));

Deno.test("S3 store believes the object, not a 200 that carries an error, at an upload's end", () =>
  withProxy(async (bench, proxy) => {
    proxy.plan({ fault: { kind: "error-in-200", code: "InternalError" }, on: /^POST .*uploadId=/ });
    await (await putBig(bench))();
    proxy.assertAllFired();
    proxy.plan({
      fault: { kind: "error-in-200", code: "InternalError" },
      on: /^POST .*uploadId=/,
      times: always,
    });
    await assertCode("UNAVAILABLE", () => putBig(bench));
    const aborts = proxy.requests.filter(({ line }) => /^DELETE .*uploadId=/.test(line));
    assertEquals(aborts.length, 1, "the parts were given back");
  }));

Deno.test("S3 store sees the error in a 200 at an upload's end whatever follows it", () =>
  withProxy(async (bench, proxy) => {
    const fault: Fault = { kind: "error-in-200", code: "InternalError", end: "\n" };
    proxy.plan({ fault, on: /^POST .*uploadId=/ });
    await (await putBig(bench))();
    proxy.assertAllFired();
    proxy.plan({ fault, on: /^POST .*uploadId=/, times: always });
    await assertCode("UNAVAILABLE", () => putBig(bench));
  }));

Deno.test("S3 store asks again for an upload that is not there yet when it has ended, and then sends it again", () =>
  withProxy(async (bench, proxy) => {
    const missing: Fault = { kind: "answer", status: 404, code: "NoSuchKey" };
    const starts = () => proxy.requests.filter(({ line }) => /^POST .*\?uploads/.test(line)).length;
    for (const [times, uploads] of [[2, 1], [4, 2]] as const) {
      proxy.plan({ fault: missing, on: /^HEAD .*blobs/, skip: 1, times });
      await (await putBig(bench))();
      proxy.assertAllFired();
      assertEquals(starts(), uploads);
    }
    proxy.plan({ fault: missing, on: /^HEAD .*blobs/, times: always });
    await assertCode("UNAVAILABLE", () => putBig(bench), "does not have it");
  }));

Deno.test("S3 store leaves other applications' uploads alone where it has no prefix", () =>
  withProxy(async (bench, proxy) => {
    const store = await bench.open({ prefix: "" });
    const upload = (key: string) =>
      `<Upload><Key>${key}</Key><UploadId>${key}</UploadId>` +
      "<Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>";
    const body = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" +
      `${upload("blobs/sha256/old")}${upload("other-app/dump.tar")}</ListMultipartUploadsResult>`;
    proxy.plan(
      { fault: { kind: "page", body }, on: /^GET .*uploads/, times: always },
      {
        fault: { kind: "foreign", status: 204, body: "" },
        on: /^DELETE .*uploadId=/,
        times: always,
      },
    );
    assertEquals(await store.sweepLeftovers(Date.now()), { count: 1, bytes: 0 });
    const lines = proxy.requests.map(({ line }) => line);
    const aborted = lines.filter((line) => line.startsWith("DELETE"));
    assertEquals(aborted.length, 1);
    assert(aborted[0]!.includes("blobs/sha256/old"), aborted[0]);
    for (const line of lines) assert(!/^GET/.test(line) || /[?&]prefix=\w/.test(line), line);
  }));

Deno.test("S3 store begins an upload again that the server lost", () =>
  withProxy(async (bench, proxy) => {
    const gone: Fault = { kind: "answer", status: 404, code: "NoSuchUpload" };
    proxy.plan({ fault: gone, on: /^PUT .*partNumber=4/ });
    await (await putBig(bench))();
    const begun = proxy.requests.filter(({ line }) => /^POST .*\?uploads/.test(line));
    assertEquals(begun.length, 2);
  }));

Deno.test("S3 store gives the parts back when it is told to stop midway", () =>
  withProxy(async (bench, proxy) => {
    const stop = new AbortController();
    proxy.plan({ fault: { kind: "stall" }, on: /^PUT .*partNumber=5/ });
    const blob = await spool(bench.spoolDir, freshBytes(BIG));
    const put = bench.store.putBlob(blob, { signal: stop.signal });
    await proxy.fired("stall");
    stop.abort(new DaemonError("ABORTED", "disposed"));
    await assertCode("ABORTED", () => put);
    assert(proxy.requests.some(({ line }) => /^DELETE .*uploadId=/.test(line)));
    assertEquals(await bench.store.hasBlob(blob.digest, blob.size), false);
  }));

/** Faults of a download that pass. */
const READS: Fault[] = [
  ...PASSING,
  { kind: "cut-answer" },
  { kind: "cut-honestly" },
  { kind: "corrupt-answer" },
  { kind: "stall-midway" },
];

for (const stalls of [false, true]) {
  const faults = READS.filter((fault) => isStall(fault) === stalls);
  const names = faults.map((fault) => fault.kind === "answer" ? fault.status : fault.kind);
  Deno.test(`S3 store gets over reads meeting ${names.join(", ")}`, () =>
    withProxy(async (bench, proxy) => {
      const big = freshBytes(BIG);
      const small = freshBytes(5000);
      await bench.store.putBlob(await spool(bench.spoolDir, big));
      await bench.store.putBlobBytes(digestOf(small), small);
      await bench.store.putRef("refs/a/b.json", small);
      for (const [n, fault] of faults.entries()) {
        // Past the first ranges, so that others are under way.
        proxy.plan({ fault, on: /^GET/, skip: 2, times: 2 });
        assertEquals(await held(bench, big), big, `${names[n]}`);
        proxy.assertAllFired();
        proxy.plan({ fault, on: /^GET/, times: 2 });
        assertEquals(await bench.store.getBlobBytes(digestOf(small), 5000), small, `${names[n]}`);
        proxy.assertAllFired();
        proxy.plan({ fault, on: /^GET/, times: 2 });
        assertEquals(await bench.store.getRef("refs/a/b.json"), small, `${names[n]}`);
        proxy.assertAllFired();
        assertEquals([...Deno.readDirSync(bench.spoolDir)], []);
      }
    }, { stalls }));
}

const LASTING_READS: [fault: Fault, code: ErrorCode][] = [
  [{ kind: "corrupt-answer" }, "DATA_LOSS"],
  [{ kind: "answer", status: 500, code: "InternalError" }, "UNAVAILABLE"],
  [{ kind: "answer", status: 403, code: "AccessDenied" }, "FAILED_PRECONDITION"],
  [{ kind: "answer", status: 416, code: "InvalidRange" }, "DATA_LOSS"],
  [{ kind: "reset-before" }, "UNAVAILABLE"],
];
Deno.test("S3 store says why when a download keeps meeting a fault, and leaves no file", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(BIG);
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    for (const [fault, code] of LASTING_READS) {
      proxy.plan({ fault, on: /^GET .*blobs\/.*GetObject/, times: always });
      await assertCode(code, () => held(bench, bytes), digestOf(bytes));
      proxy.assertAllFired();
      assertEquals([...Deno.readDirSync(bench.spoolDir)], []);
    }
  }));

Deno.test("S3 store resumes a download where it broke", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(BIG);
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    proxy.plan({ fault: { kind: "cut-answer" }, on: /^GET/, times: 3 });
    assertEquals(await held(bench, bytes), bytes);
    const received = await counted(bench, "received");
    assert(received < BIG * 1.2, `${received} bytes were received for ${BIG}`);
  }));

Deno.test("S3 store gets through a download of which every answer ends in the middle, while that gets on", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(BIG);
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    // Half of what is left each time, in each range: more often than there are attempts.
    proxy.plan({ fault: { kind: "cut-answer" }, on: /^GET/, each: true });
    assertEquals(await held(bench, bytes), bytes);
    assert(proxy.requests.filter(({ fault }) => fault).length > 6 * 10);
    assert(proxy.requests.every(({ headers }) => headers.range?.startsWith("bytes=")));
    // Once half of what is left is nothing, no further attempts are earned.
    proxy.plan({ fault: { kind: "cut-answer" }, on: /^GET/, times: always });
    await assertCode("UNAVAILABLE", () => held(bench, bytes));
  }));

async function counted(bench: S3Bench, direction: string): Promise<number> {
  const line = new RegExp(
    `^wsdaemon_store_transferred_bytes_total{.*"${direction}".*} (\\d+)`,
    "m",
  );
  return Number(line.exec(await bench.metrics.text())?.[1]);
}

Deno.test("S3 store does not send a blob again that is there", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(BIG);
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    proxy.plan();
    assertEquals(await bench.store.putBlob(await spool(bench.spoolDir, bytes)), false);
    assertEquals(proxy.requests.map(({ line }) => line.split(" ")[0]), ["HEAD"]);
  }));

Deno.test("S3 store goes without a copy where the server has none, and stores the blob again", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(1000);
    const key = blobKey(digestOf(bytes));
    await bench.store.putBlobBytes(digestOf(bytes), bytes);
    await bench.age(key, 20 * 3600_000);
    const none: PlannedFault = {
      fault: { kind: "answer", status: 501, code: "NotImplemented" },
      on: /^PUT .*CopyObject|^PUT .*blobs/,
    };
    proxy.plan(none);
    assertEquals(await bench.store.hasBlob(digestOf(bytes), 1000), false);
    proxy.plan(none);
    assertEquals(await bench.store.putBlobBytes(digestOf(bytes), bytes), true);
  }));

Deno.test("S3 store gives a reference to one of two that find it free before either has written", async () => {
  const proxy = new FaultProxy(upstream);
  const clock = new ManualClock();
  await using bench = await openS3Bench(server, { endpoint: proxy.endpoint, clock });
  const second = await bench.second();
  const written = Promise.withResolvers<void>();
  proxy.plan({ fault: { kind: "hold", until: written.promise }, on: /^PUT .*lease/ });
  const claim = (store: ObjectStore, text: string) =>
    store.compareAndClaimRef(LEASE_KEY, (current) => {
      assertEquals(current, undefined);
      return bytesOf(text);
    });
  const late = claim(bench.store, "late");
  await proxy.fired("hold");
  const early = claim(second, "early");
  await clock.asleep();
  written.resolve();
  await clock.wakeAll(2);
  assertEquals([await late, await early], [true, false]);
  assertEquals(await second.getRef(LEASE_KEY), bytesOf("late"));
  await proxy.close();
});

Deno.test("S3 store says UNAVAILABLE when a claim is written too late to count", async () => {
  const proxy = new FaultProxy(upstream);
  await using bench = await openS3Bench(server, {
    endpoint: proxy.endpoint,
    tuning: { claimMs: 100 },
  });
  proxy.plan({ fault: { kind: "stall" }, on: /^PUT .*lease/ });
  const claim = () => bench.store.compareAndClaimRef(LEASE_KEY, () => bytesOf("x"));
  await assertCode("UNAVAILABLE", claim, "longer than 0.1 s");
  await proxy.close();
});

Deno.test("S3 store does not delete a blob again once it no longer may", () =>
  withProxy(async (bench, proxy) => {
    const bytes = freshBytes(1000);
    await bench.store.putBlobBytes(digestOf(bytes), bytes);
    proxy.plan({ fault: { kind: "answer", status: 503, code: "SlowDown" }, on: /^DELETE/ });
    const mayDelete = () => !proxy.requests.some(({ line }) => line.startsWith("DELETE"));
    assertEquals(await bench.store.deleteBlob(digestOf(bytes), { mayDelete }), false);
    proxy.assertAllFired();
    assertEquals(await held(bench, bytes), bytes);
  }));

Deno.test("S3 store keeps a blob that it sends again while a deletion of the old one is on its way", () =>
  withProxy(async (bench, proxy) => {
    const collector = await bench.second();
    // s3rver removes a folder with its last object, and never answers a PUT that was about to use it.
    const neighbour = freshBytes(1000);
    await bench.store.putBlobBytes(digestOf(neighbour), neighbour);
    const bytes = freshBytes(1000);
    const digest = digestOf(bytes);
    await bench.store.putBlobBytes(digest, bytes);
    await bench.age(blobKey(digest), 48 * HOUR);
    const [put, deletion] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    proxy.plan(
      { fault: { kind: "answer", status: 501, code: "NotImplemented" }, on: /^PUT .*blobs/ },
      { fault: { kind: "hold", until: put.promise }, on: /^PUT .*blobs/ },
      { fault: { kind: "hold", until: deletion.promise }, on: /^DELETE .*blobs/ },
    );
    const writing = bench.store.putBlobBytes(digest, bytes);
    await proxy.seen(/^PUT .*blobs/, 2);
    const mark = () => Promise.resolve(new Set<Digest>());
    const collecting = collect(collector, {
      mark,
      graceMs: 24 * HOUR,
      clock: systemClock,
      force: true,
    });
    await Promise.race([proxy.seen(/^DELETE .*blobs/), collecting]);
    put.resolve();
    // The writer looks for a collection once more, after it did and the collection claimed the lease.
    await Promise.race([proxy.seen(/^GET .*lease/, 4), writing]);
    deletion.resolve();
    assertEquals([await writing, (await collecting).deleted.count], [true, 1]);
    assertEquals(await held(bench, bytes), bytes);
  }));

Deno.test("S3 store counts what failed by kind, answered or not, and not what is merely not there", () =>
  withProxy(async (bench, proxy) => {
    const metered = new MeteredStore(bench.store, new StoreMetrics(bench.metrics, "s3"));
    proxy.plan({ fault: { kind: "reset-before" }, on: /^PUT/, times: 2 });
    await assertCode("NOT_FOUND", () => metered.getRef("refs/a/b.json"));
    await metered.putRef("refs/a/b.json", bytesOf("x"));
    const text = await bench.metrics.text();
    const errors = text.split("\n").filter((line) => /^wsdaemon_store_\w*errors_total/.test(line));
    assertEquals(errors, ['wsdaemon_store_request_errors_total{store="s3",kind="network"} 2']);
  }));

Deno.test("S3 store counts retries and answers by kind", () =>
  withProxy(async (bench, proxy) => {
    const slow: Fault = { kind: "answer", status: 503, code: "SlowDown" };
    proxy.plan({ fault: slow, on: /^PUT/, times: 2 });
    await bench.store.putRef("refs/a/b.json", bytesOf("x"));
    const text = await bench.metrics.text();
    assert(text.includes('wsdaemon_store_retries_total{store="s3",reason="throttled"} 2'), text);
    assert(text.includes('wsdaemon_store_requests_total{store="s3",method="PUT",status="503"} 2'));
  }));

Deno.test("S3 store says UNAVAILABLE when nobody answers at the endpoint", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await using bench = await openS3Bench(server, { endpoint: `http://127.0.0.1:${port}` });
  await assertCode("UNAVAILABLE", () => bench.store.probe(), `127.0.0.1:${port}`);
});

Deno.test("what goes to and comes from an S3 store counts for the operation at hand", async () => {
  await using bench = await openS3Bench(server);
  const bytes = crypto.getRandomValues(new Uint8Array(SMALL));
  const operations = new OperationRegistry(systemClock);
  await operations.run({ kind: "restore" }, async ({ progress }) => {
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    const sent = progress.read().transferredBytes;
    assert(sent >= SMALL, `${sent}`);
    await held(bench, bytes);
    const { transferredBytes } = progress.read();
    assert(transferredBytes >= sent + SMALL, `${transferredBytes} after ${sent}`);
  });
});

Deno.test("a probe of an S3 store says soon what is wrong: it is tried 5 times, not 8", async () => {
  const proxy = new FaultProxy(upstream);
  await using _closing = { [Symbol.asyncDispose]: () => proxy.close() };
  const tuning = { attempts: 8 };
  await using bench = await openS3Bench(server, { endpoint: proxy.endpoint, tuning });
  proxy.plan({ fault: { kind: "reset-before" }, on: /list-type/, times: Infinity });
  await assertCode("UNAVAILABLE", () => bench.store.probe(), "");
  assertEquals(proxy.requests.length, 5);
});

Deno.test("S3 store says FAILED_PRECONDITION for a bucket that is not there", async () => {
  await using bench = await openS3Bench(server, { bucket: "no-such-bucket" });
  await assertCode("FAILED_PRECONDITION", () => bench.store.probe(), "no-such-bucket");
  await assertCode("FAILED_PRECONDITION", () => bench.store.acquireArchive("x.tar", "elsewhere"));
});
