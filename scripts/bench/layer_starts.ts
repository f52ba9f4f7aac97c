/** How long workspaces take to start from an image whose layers the node has, and from S3. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { BUCKET, S3_KEYS, startS3 } from "../../tests/fixtures/s3rver.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import { startRow, Starts, summary, tarRow, tarTime, type Times } from "./starts.ts";

export interface LayerStartsResult {
  readonly corpus: string;
  /** `zstd -dc | tar -xp` of the same tree on the same disk; milliseconds. */
  readonly tar: number;
  /** InitWorkspace of a snapshot whose layers the node has cached. */
  readonly cached: Times;
  /** The same with an empty cache, from an S3 server on this machine. */
  readonly downloaded: Times;
}

/** Measures in `folder`, by turns; workspaces are plain folders, whatever its file system is. */
export async function measureLayerStarts(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<LayerStartsResult> {
  await using s3 = await startS3();
  const root = join(folder, "layers");
  const config = join(folder, "layers.jsonc");
  const { endpoint } = s3;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  const cache = { minFreePercent: 0 };
  await Deno.writeTextFile(config, JSON.stringify({ storage, cache, quota: { driver: "none" } }));
  await using daemon = await DaemonProcess.start({
    args: ["--root", root, "--config", config],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const starts = new Starts(client, root, rounds);
  const snapshot = await starts.makeSnapshot(corpus);
  const tar = await tarTime(starts.place("first"), folder);
  await client.disposeWorkspace({ id: "first" });
  const cached: number[] = [];
  const downloaded: number[] = [];
  for (let n = 0; n < rounds; n++) {
    cached.push(await starts.start(snapshot));
    for (const { name } of Deno.readDirSync(join(root, "cache"))) {
      Deno.removeSync(join(root, "cache", name));
    }
    downloaded.push(await starts.start(snapshot));
  }
  return { corpus: corpus.name, tar, cached: summary(cached), downloaded: summary(downloaded) };
}

/** The rows of the report. */
export function layerStartRows({ tar, cached, downloaded }: LayerStartsResult): string[][] {
  return [
    ["start of a workspace, store on S3", "runs", "p50 ms", "most ms", "of tar"],
    tarRow(tar),
    startRow("from cached layers", cached, tar),
    startRow("from S3 on this machine", downloaded, tar),
  ];
}
