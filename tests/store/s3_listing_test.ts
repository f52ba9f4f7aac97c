import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { S3Store } from "../../src/store/s3/s3_store.ts";
import { StoreMetrics } from "../../src/store/store_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { S3_KEYS } from "../fixtures/s3rver.ts";
import { TEST_TUNING } from "./s3_bench.ts";

/** Orders keys as a file system lists them, the names of each folder for themselves. */
const byFolder = (a: string, b: string) => {
  const [one, other] = [a, b].map((key) => key.replaceAll("/", "\0"));
  return one! < other! ? -1 : 1;
};
const byKey = (a: string, b: string) => a < b ? -1 : 1;

/** What of S3 listings take, with pages that go on after the last key; s3rver cannot name a next page here. */
async function startPager(order: (a: string, b: string) => number) {
  const objects = new Map<string, Uint8Array>();
  const list = ({ searchParams }: URL) => {
    const value = (name: string) => searchParams.get(name) ?? "";
    const after = value("continuation-token") || value("start-after");
    const found = [...objects.keys()].sort(order)
      .filter((key) => key.startsWith(value("prefix")) && key > after);
    const page = found.slice(0, Number(value("max-keys") || 1000));
    const isTruncated = page.length < found.length;
    return `<ListBucketResult><Prefix>${value("prefix")}</Prefix>` +
      page.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join("") +
      `<IsTruncated>${isTruncated}</IsTruncated>` +
      (isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "") +
      "</ListBucketResult>";
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice("/bucket/".length));
    const headers = { "x-amz-request-id": "1", "Content-Type": "application/xml" };
    if (request.method === "PUT") {
      const bytes = await request.bytes();
      objects.set(key, bytes);
      const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
      return new Response(null, { headers: { ...headers, ETag: etag } });
    }
    if (request.method === "DELETE") {
      objects.delete(key);
      return new Response(null, { status: 204, headers });
    }
    return new Response(list(url), { headers });
  });
  const store = await S3Store.open({
    storage: {
      ...{ kind: "s3", endpoint: `http://127.0.0.1:${server.addr.port}`, region: "r" },
      ...{ bucket: "bucket", forcePathStyle: true, ...S3_KEYS },
    },
    spoolDir: "/nowhere",
    clock: systemClock,
    observer: new StoreMetrics(new Metrics(), "s3"),
    tuning: { ...TEST_TUNING, keysPerPage: 3 },
  });
  return {
    objects,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await server.shutdown();
    },
  };
}

/** By folders, "a.b" comes last; a page that ends in "a" leaves it out for good. */
const KEYS = [...[1, 2, 3, 4].map((n) => `refs/backups/a/${n}.json`), "refs/backups/a.b/1.json"];

Deno.test("a listing of several pages is refused where the server may leave keys out of it", async () => {
  await using pager = await startPager(byFolder);
  for (const key of KEYS) pager.objects.set(key, new Uint8Array(1));
  const { store } = pager;
  const lists = [
    () => Array.fromAsync(store.list("refs/backups/")),
    () => Array.fromAsync(store.list("refs/backups/", { after: "" })),
    () => liveBlobs(store),
  ];
  for (const list of lists) {
    const error = await assertRejects(list, DaemonError, "does not list keys in ascending order");
    assertEquals([error.code, error.reason], ["FAILED_PRECONDITION", "STORE_REFUSED"]);
    assertStringIncludes(error.message, "may leave keys out");
  }
  assertEquals(pager.objects.size, KEYS.length, "nothing is left of finding that out");
});

Deno.test("a listing of one page is complete whatever its order, and one of several in ascending order", async () => {
  for (const [order, count] of [[byFolder, 3], [byKey, KEYS.length]] as const) {
    await using pager = await startPager(order);
    const keys = KEYS.slice(-count).toSorted();
    for (const key of keys) pager.objects.set(key, new Uint8Array(1));
    const found = await Array.fromAsync(pager.store.list("refs/backups/"));
    assertEquals(found.map(({ key }) => key).toSorted(), keys);
    const after = await Array.fromAsync(pager.store.list("refs/backups/", { after: keys[0]! }));
    assertEquals(after.map(({ key }) => key), keys.slice(1));
  }
});
