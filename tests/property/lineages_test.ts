/** Workspaces of one identity on several nodes, in any order: no save of one loses the work of another. */

import { assert } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { Clock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/tree.ts";
import { collect } from "../../src/store/collect.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { type Lineage, newLineage } from "../../src/snapshot/lineage.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { decodeReference, readReference } from "../../src/snapshot/references.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { ChunkContent } from "../fixtures/chunk_content.ts";
import { runs } from "../fixtures/soak.ts";
import { StepScheduler } from "../fixtures/step_scheduler.ts";
import { playAll, scheduled } from "./scheduled_store.ts";

const IDENTITY = { owner: "alice", metaId: "notes" };
const GRACE = 24 * 3600_000;
const WORKSPACES = 3;
const RUNS = runs(15, 1500);

/** Work on a workspace; whatever it is done to is initialised first where it is not there. */
const action = fc.record({
  do: fc.constantFrom(
    "init" as const,
    "restore" as const,
    "edit" as const,
    "edit" as const,
    "backup" as const,
    "backup" as const,
    "backup" as const,
    "dispose" as const,
    "snapshot" as const,
    "start-snapshot" as const,
    "collect" as const,
  ),
  workspace: fc.nat(WORKSPACES - 1),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const scenario = fc.record({
  /** What is done at once. */
  rounds: fc.array(fc.array(action, { minLength: 1, maxLength: 4 }), {
    minLength: 3,
    maxLength: 9,
  }),
  retain: fc.integer({ min: 1, max: 3 }),
  seed: fc.integer(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** A workspace on a node of its own; its content only grows, each edit by a chunk that is nowhere else. */
interface Workspace {
  chunks: ChunkContent;
  images: StoredImages;
  store: ObjectStore;
  tree: Tree;
  lineage: Lineage | undefined;
  /** The last work on it, which has one writer. */
  busy: Promise<void>;
}

class World {
  time = Date.parse("2026-01-01T00:00:00Z");
  readonly clock: Clock;
  readonly workspaces: Workspace[] = [];
  /** Work that a backup was acknowledged to hold. */
  readonly saved = new Set<number>();
  #snapshot: string | undefined;
  #edits = 0;

  constructor(readonly root: string, readonly scheduler: StepScheduler) {
    this.clock = {
      now: () => this.time,
      monotonic: () => this.time,
      sleep: async () => await this.scheduler.pause(),
    };
  }

  get folder(): string {
    return join(this.root, "store");
  }

  async addWorkspace(retain: number): Promise<void> {
    const name = `w${this.workspaces.length}`;
    const spoolDir = join(this.root, name);
    await Deno.mkdir(spoolDir);
    const { clock, folder } = this;
    const store = scheduled(await FileStore.open({ folder, spoolDir, clock }), this.scheduler);
    const chunks = new ChunkContent({ spool: spoolDir, blobs: folder });
    const retention = { retain, otherLineages: 100 };
    const images = new StoredImages({ content: chunks.content, store, clock, retention });
    const tree: Tree = { area: "workspaces", name };
    const busy = Promise.resolve();
    this.workspaces.push({ chunks, images, store, tree, lineage: undefined, busy });
  }

  start(action: Action): Promise<void> {
    const workspace = this.workspaces[action.workspace]!;
    if (action.do === "collect") return this.collect(workspace.store);
    return workspace.busy = workspace.busy.then(() => this.#work(workspace, action.do));
  }

  async #work(workspace: Workspace, what: Action["do"]): Promise<void> {
    if (what === "restore" || what === "start-snapshot") {
      return await this.#restore(workspace, what);
    }
    if (what === "init" || !workspace.lineage) await this.#begin(workspace, newLineage());
    if (what === "edit") this.#edit(workspace);
    if (what === "snapshot") await this.#takeSnapshot(workspace);
    if (what === "backup" || what === "dispose") await this.#backUp(workspace);
    if (what === "dispose") workspace.lineage = undefined;
  }

  /** Begins from nothing, as a Git initializer does. */
  async #begin(workspace: Workspace, lineage: Lineage): Promise<void> {
    const { chunks, tree } = workspace;
    await chunks.dropBaseline(tree.name);
    chunks.trees.set(tree.name, []);
    workspace.lineage = lineage;
    this.#edit(workspace);
  }

  #edit({ chunks, tree }: Workspace): void {
    chunks.trees.set(tree.name, [...chunks.trees.get(tree.name)!, this.#edits++]);
  }

  async #restore(workspace: Workspace, what: "restore" | "start-snapshot"): Promise<void> {
    const { images, tree, chunks } = workspace;
    if (what === "start-snapshot" && !this.#snapshot) return;
    const restored =
      await (what === "restore"
        ? images.restoreBackup(tree, IDENTITY, {}).catch(() => undefined)
        : images.restoreSnapshot(tree, this.#snapshot!, {}));
    // There is no backup yet: the workspace stays what it was.
    if (!restored) return;
    await chunks.commitBaseline(restored.newBaseline!, tree.name);
    workspace.lineage = newLineage(restored.manifest);
  }

  async #takeSnapshot({ images, tree, lineage }: Workspace): Promise<void> {
    const url = images.newSnapshotUrl(IDENTITY);
    await images.saveSnapshot(tree, url, { baseline: tree.name, lineage: lineage! });
    this.#snapshot = url;
  }

  async #backUp({ images, tree, chunks, lineage }: Workspace): Promise<void> {
    const content = chunks.trees.get(tree.name)!;
    await images.saveBackup(tree, IDENTITY, { baseline: tree.name, lineage: lineage! });
    for (const chunk of content) this.saved.add(chunk);
  }

  async collect(store: ObjectStore): Promise<void> {
    const mark = (signal?: AbortSignal) => liveBlobs(store, signal);
    await collect(store, { mark, graceMs: GRACE, clock: this.clock, force: true })
      .catch(({ code }) => assert(code === "FAILED_PRECONDITION", code));
  }

  /** Whatever a backup ever held is in one of those that there are. */
  async check(store: FileStore, done: string): Promise<void> {
    const key = backupKey(IDENTITY);
    const bytes = await readReference(store, key);
    const { images } = bytes ? decodeReference(key, bytes, IDENTITY) : { images: [] };
    const held = new Set<number>();
    for (const { manifest } of images) {
      for (const { digest } of (await readImage(store, manifest)).layers) {
        held.add(Number(/\d+/.exec(await Deno.readTextFile(this.#blob(digest)))));
      }
    }
    const lost = [...this.saved].filter((chunk) => !held.has(chunk));
    assert(lost.length === 0, `work ${lost.join()} was saved, and is in no backup after ${done}`);
  }

  #blob(digest: string): string {
    return join(this.folder, "blobs", digest.replace(":", "/"));
  }
}

async function play({ rounds, retain, seed }: Scenario, root: string): Promise<void> {
  const scheduler = new StepScheduler(seed);
  const world = new World(root, scheduler);
  for (let n = 0; n < WORKSPACES; n++) await world.addWorkspace(retain);
  const plain = await FileStore.open({ folder: world.folder, spoolDir: root, clock: world.clock });
  for (const actions of rounds) {
    await scheduler.finish(actions.map((action) => world.start(action)));
    await world.check(plain, actions.map((one) => one.do).join(", "));
    world.time += GRACE / 3;
  }
}

Deno.test(`work that was saved is in a backup until one that goes on from it is saved, in ${RUNS} random interleavings`, async () => {
  await playAll(scenario, play, RUNS);
});
