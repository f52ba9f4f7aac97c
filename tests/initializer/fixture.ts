/** Initializers on real Git, real content Workers and the embedded store. */

import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/tree.ts";
import type { InitializerContext, Tuning } from "../../src/initializer/initializer_kind.ts";
import { createInitializers, type Initializers } from "../../src/initializer/initializers.ts";
import type { DownloadSpec, GitSpec, InitializerSpec } from "../../src/initializer/specs.ts";
import type { RestoredImage } from "../../src/snapshot/images.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { type GitFixture, gitFixture, type GitFixtureOptions } from "../git/fixture.ts";

export const ALICE = { owner: "alice", metaId: "notes" };

export interface InitializerFixture extends AsyncDisposable {
  readonly base: GitFixture;
  readonly images: StoredImages;
  readonly metrics: Metrics;
  readonly initializers: Initializers;
  /** Baselines that restores handed over. */
  readonly baselines: string[];
  /** What restores and extractions made. */
  readonly results: RestoredImage[];
  /** Runs a valid initializer on a new tree. @returns the tree and its absolute path */
  run(
    spec: InitializerSpec,
    changed?: Partial<InitializerContext>,
  ): Promise<{ tree: Tree; path: string }>;
}

export async function initializerFixture(
  options: GitFixtureOptions & { tuning?: Partial<Tuning>; preferBackup?: boolean } = {},
): Promise<InitializerFixture> {
  const base = await gitFixture(options);
  const { content, areas, spool, egressProxy, git, owner } = base;
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const store = await FileStore.open({ folder: areas.blobs, spoolDir: spool, clock });
  const images = new StoredImages({
    content,
    store,
    clock,
    retention: { retain: 1, otherLineages: 8 },
  });
  const metrics = new Metrics();
  const initializers = createInitializers({
    git,
    egressProxy,
    clock,
    spool,
    metrics,
    preferBackup: options.preferBackup ?? false,
    ...(options.tuning ? { tuning: options.tuning } : {}),
  });
  const baselines: string[] = [];
  const results: RestoredImage[] = [];
  return {
    base,
    metrics,
    images,
    initializers,
    baselines,
    results,
    async run(spec, changed = {}) {
      const plan = initializers.parse(spec, "initializer");
      const { tree, path } = await base.tree();
      await initializers.run(plan, {
        tree,
        content,
        images,
        identity: ALICE,
        remoteStorage: true,
        contentOwner: owner,
        signal: new AbortController().signal,
        onRestored: (result) => {
          results.push(result);
          if (result.newBaseline !== undefined) baselines.push(result.newBaseline);
        },
        ...changed,
      });
      return { tree, path };
    },
    [Symbol.asyncDispose]: () => base[Symbol.asyncDispose](),
  };
}

/** A Git initializer with what differs from the wire's defaults. */
export function gitSpec(
  remoteUri: string,
  changed: Partial<Omit<GitSpec, "config">> & { config?: Partial<GitSpec["config"]> } = {},
): GitSpec {
  const { config, ...rest } = changed;
  return {
    kind: "git",
    remoteUri,
    upstreamRemoteUri: "",
    targetMode: "REMOTE_HEAD",
    cloneTarget: "",
    checkoutLocation: "",
    fullClone: false,
    config: {
      customConfig: {},
      authentication: "NO_AUTH",
      authUser: "",
      authPassword: "",
      authOts: "",
      ...config,
    },
    ...rest,
  };
}

export const SHA256 = `sha256:${"0".repeat(64)}`;

/** A download of one file. */
export function downloadSpec(
  url: string,
  digest: string = SHA256,
  changed: { filePath?: string; targetLocation?: string } = {},
): DownloadSpec {
  const { filePath = "file", targetLocation = "" } = changed;
  return { kind: "download", files: [{ url, filePath, digest }], targetLocation };
}

/** A file of a tree's folder, as text. */
export function read(path: string, name: string): string {
  return Deno.readTextFileSync(join(path, name));
}
