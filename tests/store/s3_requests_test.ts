/** What the real client really sends, as a proxy between it and s3rver sees it. */

import { assert, assertEquals } from "@std/assert";
import { Socket, type TcpNetConnectOpts } from "node:net";
import { digestOf } from "../../src/digest.ts";
import type { S3Options } from "../../src/store/s3/options.ts";
import type { S3Store } from "../../src/store/s3/s3_store.ts";
import { blobKey } from "../../src/store/keys.ts";
import { FaultProxy, type ProxiedRequest } from "../fixtures/fault_proxy.ts";
import { BUCKET, startS3 } from "../fixtures/s3rver.ts";
import { freshBytes, spool } from "./conformance.ts";
import { openS3Bench, type S3Bench } from "./s3_bench.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const HOUR = 3600_000;

/** Requests that make an object: as a whole, in parts, and by a copy onto itself. */
const WRITES: [name: string, is: (request: ProxiedRequest) => boolean][] = [
  ["a small blob", ({ line }) => /^PUT .*blobs.*=PutObject/.test(line)],
  ["an upload in parts", ({ line }) => /^POST .*\?uploads/.test(line)],
  ["a copy", ({ headers }) => headers["x-amz-copy-source"] !== undefined],
  ["a reference", ({ line }) => /^PUT .*refs/.test(line)],
];

/** Every kind of request of a store so configured. */
async function requestsOf(
  storage: Partial<S3Options>,
  endpoint = (proxy: FaultProxy) => proxy.endpoint,
): Promise<readonly ProxiedRequest[]> {
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  try {
    await using bench = await openS3Bench(server, { endpoint: endpoint(proxy) });
    await useAll(bench, await bench.open(storage));
    return proxy.requests;
  } finally {
    await proxy.close();
  }
}

async function useAll(bench: S3Bench, store: S3Store): Promise<void> {
  const [small, big] = [freshBytes(1000), freshBytes(300 << 10)];
  await store.putBlobBytes(digestOf(small), small);
  await bench.age(blobKey(digestOf(small)), 20 * HOUR);
  await store.putBlobBytes(digestOf(small), small);
  const blob = await spool(bench.spoolDir, big);
  await store.putBlob(blob);
  await (await store.acquireBlob(blob.digest, blob.size)).release();
  await store.putRef("refs/a/b.json", small);
  assertEquals(await store.getRef("refs/a/b.json"), small);
}

function assertOnWrites(
  requests: readonly ProxiedRequest[],
  expected: Record<string, string | undefined>,
): void {
  for (const [name, is] of WRITES) {
    const found = requests.filter(is);
    assert(found.length > 0, `${name} was not asked for`);
    for (const { headers } of found) {
      for (const [header, value] of Object.entries(expected)) {
        assertEquals(headers[header], value, `${header} of ${name}`);
        const signed = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? "")?.[1]?.split(";");
        if (value !== undefined) assert(signed?.includes(header), `${header} is signed`);
      }
    }
  }
}

Deno.test("S3 store asks for encryption and a storage class with everything that it writes", async () => {
  const requests = await requestsOf({
    serverSideEncryption: "aws:kms",
    kmsKeyId: "key-1",
    storageClass: "STANDARD_IA",
  });
  assertOnWrites(requests, {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
    "x-amz-storage-class": "STANDARD_IA",
  });
  // S3 refuses them where nothing is made.
  const others = requests.filter((one) => !WRITES.some(([, is]) => is(one)));
  assert(others.some(({ line }) => /partNumber=1\b/.test(line)));
  for (const { line, headers } of others) {
    const names = Object.keys(headers).filter((name) => /encryption|storage-class/.test(name));
    assertEquals(names, [], line);
  }
});

Deno.test("S3 store sends no key's name with AES256, and neither encryption nor class unless told", async () => {
  assertOnWrites(await requestsOf({ serverSideEncryption: "AES256" }), {
    "x-amz-server-side-encryption": "AES256",
    "x-amz-server-side-encryption-aws-kms-key-id": undefined,
  });
  assertOnWrites(await requestsOf({}), {
    "x-amz-server-side-encryption": undefined,
    "x-amz-storage-class": undefined,
    "x-amz-security-token": undefined,
  });
});

Deno.test("S3 store sends a session token with every request, and signs it", async () => {
  const requests = await requestsOf({ sessionToken: "token-1" });
  assert(requests.length > 10);
  for (const { line, headers } of requests) {
    assertEquals(headers["x-amz-security-token"], "token-1", line);
    assert(/SignedHeaders=[^,]*x-amz-security-token/.test(headers.authorization!), line);
  }
});

Deno.test("S3 store sends checksums with every body, and no trailer", async () => {
  const requests = await requestsOf({});
  const bodies = requests.filter((one) => {
    return one.line.startsWith("PUT") && one.headers["x-amz-copy-source"] === undefined;
  });
  assert(bodies.length > 5);
  for (const { line, headers } of bodies) {
    assert(/^[A-Za-z0-9+/]{22}==$/.test(headers["content-md5"] ?? ""), line);
    assert(/^[0-9a-f]{64}$/.test(headers["x-amz-content-sha256"] ?? ""), line);
    assert(/^\d+$/.test(headers["content-length"] ?? ""), line);
    assertEquals([headers["transfer-encoding"], headers["x-amz-trailer"]], [undefined, undefined]);
  }
});

/** Connections to any name go to this machine: no resolver knows the names of our buckets. */
function everythingIsHere(): Disposable {
  const prototype = Socket.prototype as unknown as {
    connect(normalized: [options: TcpNetConnectOpts], ...rest: unknown[]): unknown;
  };
  const original = prototype.connect;
  prototype.connect = function (normalized, ...rest) {
    normalized[0].host = "127.0.0.1";
    return original.call(this, normalized, ...rest);
  };
  return { [Symbol.dispose]: () => void (prototype.connect = original) };
}

Deno.test("S3 store names the bucket in the host, and not in the path, unless told otherwise", async () => {
  using _here = everythingIsHere();
  const at = (host: string) => (proxy: FaultProxy) => proxy.endpoint.replace("127.0.0.1", host);
  // s3rver takes the first part of a host below Amazon's own for the bucket.
  const requests = await requestsOf({ forcePathStyle: false }, at("s3.amazonaws.com"));
  for (const { line, headers } of requests) {
    assert(headers.host!.startsWith(`${BUCKET}.s3.amazonaws.com:`), headers.host);
    assert(/^[A-Z]+ \/test\//.test(line), line);
    assert(/SignedHeaders=[^,]*host/.test(headers.authorization!), line);
  }
  const inPath = await requestsOf({ forcePathStyle: true }, at("s3.amazonaws.com"));
  for (const { line, headers } of inPath) {
    assert(headers.host!.startsWith("s3.amazonaws.com:"), headers.host);
    assert(line.includes(` /${BUCKET}/test/`), line);
  }
});
