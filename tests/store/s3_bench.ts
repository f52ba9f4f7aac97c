/** An S3 store on s3rver, as the conformance suite and the fault tests use it. */

import { join } from "@std/path";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { S3Options, S3Tuning } from "../../src/store/s3/options.ts";
import { S3Store } from "../../src/store/s3/s3_store.ts";
import { StoreMetrics } from "../../src/store/store_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { FaultProxy } from "../fixtures/fault_proxy.ts";
import { FOREIGN } from "../fixtures/foreign.ts";
import { BUCKET, OTHER_BUCKET, S3_KEYS, type S3Server } from "../fixtures/s3rver.ts";
import type { Bench } from "./conformance.ts";

export interface S3Bench extends Bench {
  metrics: Metrics;
  store: S3Store;
  /** Another client, configured otherwise. */
  open(storage: Partial<S3Options>): Promise<S3Store>;
  /** An object's bytes by the server's disk. */
  stored(key: string): Promise<Uint8Array>;
}

/** Small parts, so that small blobs have several; short pauses, so that failing is quick. */
export const TEST_TUNING: Partial<S3Tuning> = {
  attempts: 4,
  baseDelayMs: 1,
  maxDelayMs: 5,
  multipartThreshold: 256 << 10,
  partSize: 64 << 10,
  settleMs: 1,
  slowestRate: Infinity,
  workMs: 0,
};

let serial = 0;

/** Opens a store with a prefix and a spool of its own. `endpoint` may be that of a proxy. */
export async function openS3Bench(
  server: S3Server,
  options: {
    endpoint?: string;
    tuning?: Partial<S3Tuning>;
    bucket?: string;
    spoolDir?: string;
    clock?: Clock;
    wireClock?: Clock;
  } = {},
): Promise<S3Bench> {
  const spoolDir = options.spoolDir ?? await Deno.makeTempDir({ prefix: "wsdaemon-spool-" });
  const prefix = `test/${serial++}`;
  const metrics = new Metrics();
  const stores: S3Store[] = [];
  const proxies: FaultProxy[] = [];
  const open = async (storage: Partial<S3Options> = {}) => {
    const store = await S3Store.open({
      storage: {
        kind: "s3",
        endpoint: options.endpoint ?? server.endpoint,
        region: "us-east-1",
        bucket: options.bucket ?? BUCKET,
        prefix,
        forcePathStyle: true,
        archiveBuckets: [OTHER_BUCKET],
        ...S3_KEYS,
        ...storage,
      },
      spoolDir,
      clock: options.clock ?? systemClock,
      ...(options.wireClock ? { wireClock: options.wireClock } : {}),
      observer: new StoreMetrics(metrics, "s3"),
      tuning: { ...TEST_TUNING, ...options.tuning },
    });
    stores.push(store);
    return store;
  };
  const stored = (bucket: string, key: string) => join(server.folder, bucket, objectFile(key));
  return {
    store: await open(),
    metrics,
    spoolDir,
    blobsDir: spoolDir,
    faithful: false,
    archiveBucket: OTHER_BUCKET,
    second: () => open(),
    async displaced() {
      const proxy = new FaultProxy({ hostname: server.host, port: server.port });
      proxies.push(proxy);
      const fault = FOREIGN["404 with a page"]!;
      proxy.plan({ fault, on: /./, times: Infinity });
      return await open({ endpoint: proxy.endpoint });
    },
    open,
    stored: (key) => Deno.readFile(stored(BUCKET, `${prefix}/${key}`)),
    async tamper(key, bytes) {
      const path = stored(BUCKET, `${prefix}/${key}`);
      if (bytes) await Deno.writeFile(path, bytes);
      else await Deno.remove(path);
    },
    async age(key, ms) {
      const then = (Date.now() - ms) / 1000;
      await Deno.utime(stored(BUCKET, `${prefix}/${key}`), then, then);
    },
    async plantArchive(object, bucket, bytes) {
      const path = stored(bucket, object);
      await Deno.mkdir(join(path, ".."), { recursive: true });
      await Deno.writeFile(path, bytes);
      await Deno.writeTextFile(path.replace(/object$/, "metadata.json"), "{}");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(stores.map((store) => store.close()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
      if (options.spoolDir === undefined) await Deno.remove(spoolDir, { recursive: true });
    },
  };
}

/** How s3rver names the file of an object. */
function objectFile(key: string): string {
  return `${key}._S3rver_object`;
}
