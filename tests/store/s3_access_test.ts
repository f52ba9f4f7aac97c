/** Keys that are rotated, tokens that expire and clocks that jump, at every kind of request. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { digestOf } from "../../src/digest.ts";
import { CredentialSource } from "../../src/store/s3/credentials.ts";
import { blobKey, LEASE_KEY } from "../../src/store/keys.ts";
import type { S3Store } from "../../src/store/s3/s3_store.ts";
import { type Fault, FaultProxy } from "../fixtures/fault_proxy.ts";
import { OTHER_BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { assertCode, collectList, freshBytes, spool } from "./conformance.ts";
import { openS3Bench, type S3Bench } from "./s3_bench.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const HOUR = 3600_000;
const REF = "refs/a/b.json";
const small = freshBytes(1000);
const big = freshBytes(300 << 10);
const smallDigest = digestOf(small);

/** Each begins with another kind of request. */
const OPERATIONS: Record<string, (store: S3Store, bench: S3Bench) => Promise<unknown>> = {
  HeadObject: (store) => store.hasBlob(smallDigest, small.length, { touch: false }),
  "HeadObject of what is not there": (store) => store.hasBlob(digestOf("none"), 4),
  GetObject: (store) => store.getRef(REF),
  "GetObject in ranges": (store) =>
    store.acquireBlob(digestOf(big), big.length).then(({ release }) => release()),
  ListObjectsV2: (store) => collectList(store, "refs/"),
  PutObject: (store) => store.putRef(REF, small),
  "PutObject of a claim": (store) => store.compareAndClaimRef(LEASE_KEY, () => small),
  CopyObject: async (store, bench) => {
    await bench.age(blobKey(smallDigest), 20 * HOUR);
    await store.putBlobBytes(smallDigest, small);
  },
  "an upload in parts": async (store, bench) =>
    store.putBlob(await spool(bench.spoolDir, freshBytes(big.length))),
  DeleteObject: (store) => store.deleteRef("refs/a/none.json"),
  "DeleteObject of a blob": (store) => store.deleteBlob(digestOf("none")),
  "HeadObject of an archive": (store) =>
    store.acquireArchive("full.tar", OTHER_BUCKET).then(({ release }) => release()),
};

async function prepare(bench: S3Bench): Promise<void> {
  await bench.store.putBlobBytes(smallDigest, small);
  await bench.store.putBlob(await spool(bench.spoolDir, big));
  await bench.store.putRef(REF, small);
  await bench.plantArchive("full.tar", OTHER_BUCKET, big);
}

function profile(token: string): string {
  const { accessKeyId, secretAccessKey } = S3_KEYS;
  return `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n` +
    `aws_session_token=${token}\n`;
}

const refusals: Record<string, Fault> = {
  "403 InvalidAccessKeyId": { kind: "answer", status: 403, code: "InvalidAccessKeyId" },
  "400 ExpiredToken": { kind: "answer", status: 400, code: "ExpiredToken" },
  "403 SignatureDoesNotMatch": { kind: "answer", status: 403, code: "SignatureDoesNotMatch" },
  "401 AccessDenied": { kind: "answer", status: 401, code: "AccessDenied" },
};

for (const [name, fault] of Object.entries(refusals)) {
  Deno.test(`S3 store takes up rotated keys at once when the old ones meet ${name}, whatever it asks for`, async () => {
    const proxy = new FaultProxy({ hostname: server.host, port: server.port });
    const credentialsFile = await Deno.makeTempFile();
    try {
      await using bench = await openS3Bench(server, { endpoint: proxy.endpoint });
      await prepare(bench);
      await Deno.writeTextFile(credentialsFile, profile("token-0"));
      const store = await bench.open({ accessKeyId: "", secretAccessKey: "", credentialsFile });
      await store.probe();
      let token = "";
      for (const [n, [operation, run]] of [...Object.entries(OPERATIONS)].entries()) {
        token = `token-${n + 1}`;
        await Deno.writeTextFile(credentialsFile, profile(token));
        const where = (headers: Record<string, string>) =>
          headers["x-amz-security-token"] !== token;
        proxy.plan({ fault, on: /./, where, times: Infinity });
        await run(store, bench).catch((error) => {
          throw new Error(`${operation}: ${error.message}`);
        });
        proxy.assertAllFired();
      }
    } finally {
      await proxy.close();
      await Deno.remove(credentialsFile);
    }
  });
}

Deno.test("S3 store goes on after the clock jumped, whatever it asks for", async () => {
  await using bench = await openS3Bench(server);
  await prepare(bench);
  const { now } = Date;
  try {
    for (const [n, [operation, run]] of [...Object.entries(OPERATIONS)].entries()) {
      const jump = n % 2 === 0 ? 2 * HOUR : -2 * HOUR;
      Date.now = () => now() + jump;
      await run(bench.store, bench).catch((error) => {
        throw new Error(`${operation}: ${error.message}`);
      });
      const time = await bench.store.now();
      assert(Math.abs(time - now()) < HOUR / 2, "the store's time is not ours");
    }
  } finally {
    Date.now = now;
  }
});

Deno.test("S3 store says what is wrong with its access when reading it again does not help", async () => {
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  await using bench = await openS3Bench(server, { endpoint: proxy.endpoint });
  await prepare(bench);
  const outcomes = [
    ["InvalidAccessKeyId", 403, "FAILED_PRECONDITION", "read again from their source"],
    ["SignatureDoesNotMatch", 403, "FAILED_PRECONDITION", "read again from their source"],
    ["ExpiredToken", 400, "UNAVAILABLE", "have expired"],
    ["RequestTimeTooSkewed", 403, "UNAVAILABLE", "the clocks of this node and of the store"],
    ["AccessDenied", 403, "FAILED_PRECONDITION", "allow these credentials"],
    ["NoSuchBucket", 404, "FAILED_PRECONDITION", "create the bucket"],
  ] as const;
  for (const [code, status, expected, advice] of outcomes) {
    for (const [operation, run] of Object.entries(OPERATIONS)) {
      // Some servers do not tell a HEAD's refusals apart; what a GET is answered with counts.
      proxy.plan(
        { fault: { kind: "answer", status: 403, code: "" }, on: /^HEAD/, times: Infinity },
        { fault: { kind: "answer", status, code }, on: /./, times: Infinity },
      );
      const { message } = await assertCode(expected, () => run(bench.store, bench), code);
      assertStringIncludes(message, advice, operation);
      assertStringIncludes(message, proxy.endpoint);
    }
  }
  await proxy.close();
});

Deno.test("credentials are read again once for many refusals, and a source that fails costs no good ones", async () => {
  let reads = 0;
  let fails = false;
  const source = new CredentialSource({
    read: () => {
      reads++;
      if (fails) return Promise.reject(new Error("half written"));
      return Promise.resolve({ accessKeyId: `key-${reads}`, secretAccessKey: "s" });
    },
    lifetimeMs: Infinity,
    restMs: 0,
  });
  assertEquals((await source.provide()).accessKeyId, "key-1");
  const version = source.version;
  const renewed = await Promise.all(Array.from({ length: 9 }, () => source.renewedSince(version)));
  assertEquals([new Set(renewed), reads], [new Set([true]), 2]);
  fails = true;
  assertEquals(await source.renewedSince(source.version), false);
  assertEquals((await source.provide()).accessKeyId, "key-2");
});
