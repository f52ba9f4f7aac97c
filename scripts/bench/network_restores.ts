/** How long workspaces take to start from S3 over a network, beside the transfer alone. */

import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { join } from "@std/path";
import { forEachIndex } from "../../src/async/mod.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { BUCKET, S3_KEYS, startS3 } from "../../tests/fixtures/s3rver.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { SlowNetwork } from "./slow_network.ts";
import { startRow, Starts, summary, type Times } from "./starts.ts";

export interface NetworkRestoresResult {
  readonly corpus: string;
  /** Bytes of the image's layers. */
  readonly bytes: number;
  /** The same bytes by plain requests, to nowhere. */
  readonly transfer: Times;
  /** InitWorkspace of a snapshot, its answer included, where the node keeps no layers. */
  readonly restored: Times;
  /** The same where it keeps them. */
  readonly kept: Times;
}

/** As the goal has it: 20 ms there and back, 50 MB a second. */
const NETWORK = { roundTripMs: 20, bytesPerSecond: 50e6 } as const;
const GOAL = 1.1;
/** Requests of the plain transfer under way at a time. */
const REQUESTS = 4;

/** Measures in `folder`, by turns; workspaces are plain folders, whatever its file system is. */
export async function measureNetworkRestores(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<NetworkRestoresResult> {
  await using s3 = await startS3();
  await using network = new SlowNetwork({ ...NETWORK, port: s3.port });
  const { endpoint } = network;
  await using kept = await startDaemon(join(folder, "kept"), endpoint, "8GiB");
  await using plain = await startDaemon(join(folder, "plain"), endpoint, "0");
  const withCache = new Starts(kept.client, kept.root, rounds);
  const without = new Starts(plain.client, plain.root, rounds);
  const snapshot = await withCache.makeSnapshot(corpus);
  await kept.client.disposeWorkspace({ id: "first" });
  const objects = layersIn(join(s3.folder, BUCKET));
  const times = { transfer: [] as number[], restored: [] as number[], kept: [] as number[] };
  for (let n = 0; n < rounds; n++) {
    times.transfer.push(await transfer(endpoint, objects.map(({ key }) => key)));
    times.restored.push(await without.start(snapshot));
    for (const { name } of Deno.readDirSync(join(kept.root, "cache"))) {
      Deno.removeSync(join(kept.root, "cache", name));
    }
    times.kept.push(await withCache.start(snapshot));
  }
  return {
    corpus: corpus.name,
    bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0),
    transfer: summary(times.transfer),
    restored: summary(times.restored),
    kept: summary(times.kept),
  };
}

async function startDaemon(root: string, endpoint: string, maxBytes: string) {
  const config = `${root}.jsonc`;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  const cache = { minFreePercent: 0, maxBytes };
  await Deno.writeTextFile(config, JSON.stringify({ storage, cache, quota: { driver: "none" } }));
  const daemon = await DaemonProcess.start({
    args: ["--root", root, "--config", config],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  const client = new WorkspaceClient({ address: daemon.addresses[0]! });
  return {
    root,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** What s3rver appends to the names of objects. */
const CONTENT = "._S3rver_object";

/** Returns the blobs of the bucket, the longest first: an image's layers and its index. */
function layersIn(bucket: string): { key: string; bytes: number }[] {
  const blobs = "blobs/sha256";
  return [...Deno.readDirSync(join(bucket, blobs))]
    .filter(({ name }) => name.endsWith(CONTENT))
    .map(({ name }) => ({
      key: `${blobs}/${name.slice(0, -CONTENT.length)}`,
      bytes: Deno.statSync(join(bucket, blobs, name)).size,
    }))
    .toSorted((a, b) => b.bytes - a.bytes);
}

/** Downloads objects and forgets them. @returns milliseconds */
async function transfer(endpoint: string, keys: readonly string[]): Promise<number> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: S3_KEYS,
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const start = performance.now();
  await forEachIndex(keys.length, REQUESTS, undefined, async (n) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: keys[n]! }));
    for await (const _ of Body as AsyncIterable<Uint8Array>);
  });
  const taken = performance.now() - start;
  client.destroy();
  return taken;
}

/** The rows of the report; ratios are to the transfer. */
export function networkRestoreRows(result: NetworkRestoresResult): string[][] {
  const { bytes, transfer, restored, kept } = result;
  const row = (what: string, times: Times) => startRow(what, times, transfer.p50);
  return [
    ["start of a workspace, S3 over a network", "runs", "p50 ms", "most ms", "of transfer"],
    row(`the transfer of ${Math.round(bytes / 2 ** 20)} MiB alone`, transfer),
    row("layers are not kept", restored),
    row("layers are kept", kept),
  ];
}

/** What starts over a network are held to. */
export function evaluateNetworkRestores(
  { corpus, transfer, restored, kept }: NetworkRestoresResult,
): GoalResult[] {
  return [["layers not kept", restored] as const, ["layers kept", kept] as const].map(
    ([what, { p50 }]) => {
      const value = p50 / transfer.p50;
      const goal = `start from S3 over a network, ${what}, of the transfer`;
      return { corpus, goal, value, bound: GOAL, sense: "at most", met: value <= GOAL };
    },
  );
}
