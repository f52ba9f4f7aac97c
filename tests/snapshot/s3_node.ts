/** A workspace on a node whose store is an S3 server behind a proxy that fails on purpose. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { systemClock } from "../../src/clock.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { parseManifest } from "../../src/snapshot/manifest.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { decodeReference } from "../../src/snapshot/references.ts";
import { blobKey } from "../../src/store/keys.ts";
import { openS3Bench, type S3Bench } from "../store/s3_bench.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { FaultProxy } from "../fixtures/fault_proxy.ts";
import type { S3Server } from "../fixtures/s3rver.ts";
import { borrowContent, type SharedContent } from "../fixtures/shared_content.ts";
import { ALICE } from "./fixture.ts";

/** By a clock that the proxy turns while it stalls: a busy machine's silence is no stall. */
const STALL_MS = 600_000;

/** A node with one workspace, its content Workers, and a proxy between it and the store. */
export class S3Node implements AsyncDisposable {
  readonly #path: string;
  readonly #tree: Tree = { area: "workspaces", name: "w" };
  readonly images: StoredImages;

  private constructor(
    readonly started: SharedContent,
    readonly proxy: FaultProxy,
    readonly bench: S3Bench,
    readonly stack: AsyncDisposableStack,
    retain: number,
  ) {
    const { content, areas } = started;
    this.#path = join(areas.workspaces, "w");
    Deno.mkdirSync(this.#path);
    this.images = new StoredImages({
      content,
      store: bench.store,
      clock: systemClock,
      retention: { retain, otherLineages: 8 },
    });
  }

  static async open(
    server: S3Server,
    attempts: number,
    retain = 2,
  ): Promise<S3Node> {
    await using stack = new AsyncDisposableStack();
    const started = stack.use(borrowContent());
    const wireClock = new ManualClock();
    const proxy = stack.adopt(
      new FaultProxy(
        { hostname: server.host, port: server.port },
        () => wireClock.wakeLong(STALL_MS),
      ),
      (proxy) => proxy.close(),
    );
    const bench = stack.use(
      await openS3Bench(server, {
        endpoint: proxy.endpoint,
        wireClock,
        spoolDir: started.areas.spool,
        // Small parts, one after the other: a layer has three.
        tuning: {
          stallMs: STALL_MS,
          attempts,
          multipartThreshold: 4096,
          partSize: 4096,
          partsPerObject: 1,
        },
      }),
    );
    return new S3Node(started, proxy, bench, stack.move(), retain);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }

  /** Gives the workspace content that was never there, and that does not compress well. */
  async edit(): Promise<string> {
    const text = Array.from({ length: 600 }, () => Math.random().toString(36)).join("");
    await Deno.writeTextFile(join(this.#path, "file"), text);
    return text;
  }

  /** @returns its manifest's digest */
  async backup(): Promise<Digest> {
    return (await this.images.saveBackup(this.#tree, ALICE, { baseline: "w" })).manifest;
  }

  /** The content of the backup. */
  async restore(): Promise<string> {
    const { content, areas } = this.started;
    const tree = await content.create({ uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 });
    try {
      const { newBaseline } = await this.images.restoreBackup(tree, ALICE, {});
      if (newBaseline) await content.dropBaseline(newBaseline);
      return await Deno.readTextFile(join(areas.staging, tree.name, "file"));
    } finally {
      await content.remove(tree);
    }
  }

  /** The manifests of the backups by what the server has on its disk, every blob of them looked at. */
  async stored(): Promise<Digest[]> {
    const key = backupKey(ALICE);
    const { images } = decodeReference(key, await this.bench.stored(key), ALICE);
    const manifests = images.map(({ manifest }) => manifest);
    for (const digest of manifests) {
      const parsed = parseManifest({ digest, bytes: await this.#blob(digest) });
      const { layers, config, index } = parsed;
      for (const blob of [...layers, config, ...index ? [index] : []]) {
        await this.#blob(blob.digest);
      }
    }
    return manifests;
  }

  async #blob(digest: Digest): Promise<Uint8Array> {
    const bytes = await this.bench.stored(blobKey(digest));
    assertEquals(digestOf(bytes), digest);
    return bytes;
  }

  assertTidy(name: string): void {
    const { spool, staging } = this.started.areas;
    for (const area of [spool, staging]) assertEquals([...Deno.readDirSync(area)], [], name);
  }
}
