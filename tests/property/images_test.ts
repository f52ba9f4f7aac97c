/** Several nodes on one store, in any order: nothing live is lost, nothing dead is kept. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { Clock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/tree.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import type { WorkspaceIdentity } from "../../src/snapshot/images.ts";
import { removeImages } from "../../src/inspect/catalog.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { imagesOf, liveBlobs, references } from "../../src/snapshot/references_scan.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { collect } from "../../src/store/collect.ts";
import { blobKey, blobOfKey } from "../../src/store/keys.ts";
import { ChunkContent } from "../fixtures/chunk_content.ts";
import { runs } from "../fixtures/soak.ts";
import { StepScheduler } from "../fixtures/step_scheduler.ts";
import { playAll, scheduled } from "./scheduled_store.ts";

const GRACE = 24 * 3600_000;
const NODES = 3;
const IDENTITIES: WorkspaceIdentity[] = [
  { owner: "alice", metaId: "notes" },
  { owner: "bob", metaId: "site" },
];
/** 1,000 take longer than the suite has. */
const RUNS = runs(20, 1000);

const action = fc.record({
  do: fc.constantFrom(
    "backup" as const,
    "backup" as const,
    "snapshot" as const,
    "dispose" as const,
    "restore" as const,
    "remove-snapshot" as const,
    "remove-backup" as const,
    "remove-backups" as const,
    "collect" as const,
    "collect" as const,
  ),
  node: fc.nat(NODES - 1),
  who: fc.nat(IDENTITIES.length - 1),
  chunks: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 }),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** What happens at once, and the time until the next round, in graces. */
const round = fc.record({
  actions: fc.array(action, { minLength: 1, maxLength: 5 }),
  wait: fc.constantFrom(0, 0.3, 0.6, 1.1),
});
const scenario = fc.record({
  rounds: fc.array(round, { minLength: 2, maxLength: 5 }),
  retain: fc.integer({ min: 1, max: 3 }),
  seed: fc.integer(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

interface Node {
  chunks: ChunkContent;
  images: StoredImages;
  store: ObjectStore;
  /** The last work on each workspace: a workspace has one writer. */
  busy: Promise<void>[];
}

class World {
  time = Date.parse("2026-01-01T00:00:00Z");
  readonly clock: Clock;
  readonly nodes: Node[] = [];
  /** Content by manifest. */
  readonly saved = new Map<string, string>();
  /** Snapshots that were answered and not removed since. */
  readonly snapshots = new Set<string>();
  /** Manifests that this round's backups answered, by identity; none where there was a removal. */
  readonly backups: (Set<string> | undefined)[] = [];

  constructor(readonly root: string, readonly scheduler: StepScheduler) {
    this.clock = {
      now: () => this.time,
      monotonic: () => this.time,
      sleep: async (ms) => {
        await this.scheduler.pause();
        this.time += ms;
      },
    };
  }

  get folder(): string {
    return join(this.root, "store");
  }

  async addNode(retain: number): Promise<void> {
    const spoolDir = join(this.root, `spool-${this.nodes.length}`);
    await Deno.mkdir(spoolDir);
    const { clock, folder } = this;
    const store = scheduled(await FileStore.open({ folder, spoolDir, clock }), this.scheduler);
    const chunks = new ChunkContent({ spool: spoolDir, blobs: folder });
    const images = new StoredImages({
      content: chunks.content,
      store,
      clock,
      retention: { retain, otherLineages: 8 },
    });
    this.nodes.push({ chunks, images, store, busy: IDENTITIES.map(() => Promise.resolve()) });
  }

  start(action: Action): Promise<void> {
    const node = this.nodes[action.node]!;
    if (action.do === "collect") return this.collect(node.store);
    if (action.do.startsWith("remove")) return this.#remove(node, action);
    return node.busy[action.who] = node.busy[action.who]!.then(() => this.#work(node, action));
  }

  async #work(node: Node, { do: what, who, chunks }: Action): Promise<void> {
    const identity = IDENTITIES[who]!;
    const tree: Tree = { area: "workspaces", name: identity.owner };
    if (what === "restore") return await this.#restore(node, tree, identity);
    node.chunks.trees.set(tree.name, chunks);
    const options = { baseline: tree.name };
    if (what === "snapshot") {
      const url = node.images.newSnapshotUrl(identity);
      const { manifest } = await node.images.saveSnapshot(tree, url, options);
      this.saved.set(manifest, chunks.join());
      this.snapshots.add(url);
      return;
    }
    const { manifest } = await node.images.saveBackup(tree, identity, options);
    this.saved.set(manifest, chunks.join());
    this.backups[who]?.add(manifest);
    if (what === "dispose") {
      await node.chunks.dropBaseline(tree.name);
      node.chunks.trees.delete(tree.name);
    }
  }

  /** A restore that began finds its image whole, also where it is replaced or removed meanwhile. */
  async #restore(node: Node, tree: Tree, identity: WorkspaceIdentity): Promise<void> {
    await allowing("FAILED_PRECONDITION", async () => {
      const { newBaseline } = await node.images.restoreBackup(tree, identity, {});
      await node.chunks.commitBaseline(newBaseline!, tree.name);
    });
  }

  async #remove(node: Node, { do: what, who, chunks }: Action): Promise<void> {
    const { owner, metaId } = IDENTITIES[who]!;
    let url: string | undefined = `wsdaemon:backup/${owner}/${metaId}`;
    if (what === "remove-snapshot") {
      url = [...this.snapshots][chunks[0]!];
      if (url) this.snapshots.delete(url);
    } else {
      this.backups[who] = undefined;
    }
    if (what === "remove-backup") {
      const manifests = [...this.saved.keys()];
      url = `${url}@${manifests[chunks[0]! % Math.max(manifests.length, 1)] ?? digestOf("none")}`;
    }
    if (url) await allowing("NOT_FOUND", () => removeImages(node.store, url));
  }

  async collect(store: ObjectStore): Promise<void> {
    const mark = (signal?: AbortSignal) => liveBlobs(store, signal);
    await allowing(
      "FAILED_PRECONDITION",
      () => collect(store, { mark, graceMs: GRACE, clock: this.clock, force: true }),
    );
  }

  /** Every live reference restores whole, and what was answered is there. */
  async check(store: ObjectStore): Promise<void> {
    const newest = new Map<string, string>();
    const there = new Set<string>();
    for await (const reference of references(store)) {
      for (const { url, manifest } of imagesOf(reference)) {
        there.add(url);
        const content = this.saved.get(manifest);
        assert(content !== undefined, `${url} was never saved`);
      }
      if (reference.kind === "backup") {
        newest.set(reference.owner, reference.images[0]!.manifest);
      }
    }
    for (const digest of await liveBlobs(store)) {
      const bytes = await Deno.readFile(join(this.folder, blobKey(digest))).catch(() => undefined);
      assert(bytes && digestOf(bytes) === digest, `${digest} is live and lost`);
    }
    for (const url of this.snapshots) assert(there.has(url), `${url} is lost`);
    this.backups.forEach((answered, who) => {
      const found = newest.get(IDENTITIES[who]!.owner);
      if (answered?.size) assert(found && answered.has(found), "an older backup is the newest");
    });
  }

  /** Once the grace is over, live blobs are all there is. */
  async checkDead(store: ObjectStore): Promise<void> {
    this.time += GRACE + 1;
    await this.collect(store);
    const left: string[] = [];
    for await (const { key } of store.list("blobs/")) left.push(blobOfKey(key)!);
    assertEquals(left.toSorted(), [...await liveBlobs(store)].toSorted());
  }
}

async function allowing(code: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== code) throw error;
  }
}

async function play({ rounds, retain, seed }: Scenario, root: string): Promise<void> {
  const scheduler = new StepScheduler(seed);
  const world = new World(root, scheduler);
  for (let n = 0; n < NODES; n++) await world.addNode(retain);
  const { clock, folder } = world;
  const plain = await FileStore.open({ folder, spoolDir: root, clock });
  for (const { actions, wait } of rounds) {
    IDENTITIES.forEach((_, who) => world.backups[who] = new Set());
    await scheduler.finish(actions.map((action) => world.start(action)));
    await world.check(plain);
    world.time += wait * GRACE;
  }
  await world.checkDead(plain);
  await world.check(plain);
}

Deno.test(`images of several nodes on one store stay whole and dead blobs go, in ${RUNS} random interleavings`, async () => {
  await playAll(scenario, play, RUNS);
});
