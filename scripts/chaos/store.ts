/** The store of a chaos run, and what can be done to it. */

import { join } from "@std/path";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { FaultProxy, type PlannedFault } from "../../tests/fixtures/fault_proxy.ts";
import { BUCKET, OTHER_BUCKET, S3_KEYS, startS3 } from "../../tests/fixtures/s3rver.ts";
import type { Random } from "./random.ts";
import type { Archive } from "./sources.ts";

export interface ChaosStore extends AsyncDisposable {
  /** `storage` of the config. */
  config: Record<string, unknown>;
  /** Flags of `store gc`. */
  collectionFlags: readonly string[];
  /** What `store gc` may say when it fails. */
  collectionFailures: RegExp;
  /** Puts plain archives where the daemon finds them. */
  addArchives(archives: readonly Archive[]): Promise<void>;
  /** Breaks the way to the store, or ends its server; absent where there is neither. */
  break?: (random: Random) => Promise<void>;
  kill?: () => Promise<void>;
  /** Copies to a folder what is not on the run's disks, and the latest requests. */
  keep(folder: string): Promise<void>;
  /** Makes all well again. */
  mend(): void;
}

/** Shorter than anything live is old, and longer than twice a backup takes here. */
const GRACE = "30s";

/** A store in a folder that all nodes share. */
export function folderStore(folder: string): ChaosStore {
  const path = join(folder, "store");
  return {
    config: { kind: "fs", path },
    collectionFlags: ["--grace", GRACE],
    collectionFailures: /Another collection|--force|the disk is full|No space left|ENOSPC/,
    async addArchives(archives) {
      for (const { name, file } of archives) {
        const [object = "", bucket = ""] = name.split("@");
        const place = join(path, "archives", bucket);
        await Deno.mkdir(place, { recursive: true });
        await Deno.copyFile(file, join(place, object));
      }
    },
    keep: () => Promise.resolve(),
    mend() {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An S3 server of its own process, behind a proxy that can break. */
export async function s3Store(log: (line: string) => void): Promise<ChaosStore> {
  let server = await startS3();
  // The proxy looks at it with each request.
  const upstream = { hostname: server.host, port: server.port };
  const proxy = new FaultProxy(upstream);
  const storage = { bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  return {
    config: { kind: "s3", endpoint: proxy.endpoint, archiveBuckets: [OTHER_BUCKET], ...storage },
    // With the grace that it asks for, nothing of a run is old enough to go.
    collectionFlags: [],
    collectionFailures: /./,
    async addArchives(archives) {
      const client = new S3Client({
        endpoint: server.endpoint,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: S3_KEYS,
      });
      for (const { name, file } of archives) {
        const [Key = "", Bucket = ""] = name.split("@");
        const Body = await Deno.readFile(file);
        await client.send(new PutObjectCommand({ Bucket, Key, Body }));
      }
      client.destroy();
    },
    break(random) {
      const fault = storeFault(random);
      log(`the way to the store: ${JSON.stringify(fault)}`);
      proxy.plan(fault);
      return Promise.resolve();
    },
    async kill() {
      log("kill -9 of the S3 server");
      await server.kill();
      await new Promise((resolve) => setTimeout(resolve, 500));
      server = await startS3(server.folder);
      upstream.port = server.port;
      log("the S3 server is back");
    },
    async keep(folder) {
      await new Deno.Command("cp", { args: ["-a", server.folder, join(folder, "kept-s3")] })
        .output();
      const lines = proxy.requests.map(({ line, fault }) => `${line} ${fault ?? ""}\n`);
      await Deno.writeTextFile(join(folder, "requests.log"), lines.join(""));
    },
    mend: () => proxy.plan(),
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const PAGE = "<html><body>Sign in to the guest network</body></html>";

function storeFault(random: Random): PlannedFault {
  const on = random.pick([/./, /^PUT/, /^GET/, /^HEAD/, /refs\//]);
  const times = random.whole(1, 8);
  const kind = random.weighted({
    "reset-before": 2,
    "lose-answer": 2,
    "cut-answer": 2,
    "foreign": 2,
    "answer": 2,
    "stall": 0.5,
    "stall-midway": 0.5,
  });
  switch (kind) {
    case "foreign":
      return { on, times, fault: { kind, status: random.pick([200, 302, 404, 502]), body: PAGE } };
    case "answer": {
      const [status, code] = random.pick(
        [[500, "InternalError"], [503, "SlowDown"], [503, "ServiceUnavailable"]] as const,
      );
      return { on, times, fault: { kind, status, code } };
    }
    case "stall":
    case "stall-midway":
      return { on, times: random.whole(1, 2), fault: { kind } };
    default:
      return { on, times, fault: { kind } };
  }
}
