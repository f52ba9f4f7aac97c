/** Retention, collection, excludes and chunks together: what is kept is whole, what is dropped goes. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { Tree } from "../../src/content/tree.ts";
import { type Digest, digestOf, hexOf, isDigest } from "../../src/digest.ts";
import { applyForget, type ForgetPolicy, planForget } from "../../src/inspect/forget.ts";
import { noteImageUse } from "../../src/snapshot/image_uses.ts";
import type { SavedImage } from "../../src/snapshot/images.ts";
import { type Lineage, newLineage } from "../../src/snapshot/lineage.ts";
import { imagesOf, liveBlobs, references } from "../../src/snapshot/references_scan.ts";
import type { RetentionRules } from "../../src/snapshot/retained_images.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { collect } from "../../src/store/collect.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { blobKey, blobOfKey } from "../../src/store/keys.ts";
import { settle } from "../fixtures/settle.ts";
import { borrowContent, type SharedContent } from "../fixtures/shared_content.ts";
import { rounds, runs, soaking } from "../fixtures/soak.ts";
import { assertSameTree, readTree, type TreeEntry } from "../fixtures/tree.ts";
import { withoutExtents } from "../content/image_fixture.ts";
import { type Policy, RetentionModel } from "./retention_model.ts";
import { applyEdit, edit, excludes, makeFirstTree, packedEntries } from "./retention_tree.ts";
import { playAll } from "./scheduled_store.ts";

const HOUR = 3600_000;
const GRACE = 24 * HOUR;
const ME = { uid: Deno.uid()!, gid: Deno.gid()! };
const IDENTITIES = [{ owner: "alice", metaId: "notes" }, { owner: "bob", metaId: "site" }];
/** The first few of fast-check's runs are of small values more often than later ones. */
const RUNS = runs(1, 10);

const policy = fc.record({
  last: fc.integer({ min: 1, max: 3 }),
  withinHours: fc.constantFrom(0, 0, 20, 40),
  ttlHours: fc.constantFrom(0, 20, 40),
});
/** How a daemon is started. */
const config = fc.record({
  excludes,
  policy,
  chunkMinBytes: fc.constantFrom(0, 1 << 20),
});
type Config = typeof config extends fc.Arbitrary<infer T> ? T : never;

/** The first and the last have the same identity; one of them is saved often. */
const workspace = fc.constantFrom(0, 0, 0, 1, 2);

/** Saves a workspace after some edits; what is not there is made first. */
const save = fc.record({
  do: fc.constantFrom("backup" as const, "backup" as const, "snapshot" as const),
  workspace,
  edits: fc.array(edit, { maxLength: 8 }),
  isSettled: fc.constantFrom(true, false, false),
});
const fork = fc.record({
  do: fc.constant("fork" as const),
  workspace,
  image: fc.nat(),
  who: fc.nat(IDENTITIES.length - 1),
});
/** Time that passes first. */
const graces = fc.constantFrom(0.1, 0.6, 1.1);
const action = fc.oneof(
  { weight: 9, arbitrary: save },
  { weight: 2, arbitrary: fork },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), config }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("forget" as const), policy }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("collect" as const), graces }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), graces }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const scenario = fc.record({
  config,
  actions: fc.array(
    action,
    soaking() ? { minLength: 5, maxLength: 30 } : {
      minLength: 10,
      maxLength: 14,
    },
  ),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

interface Workspace {
  readonly id: string;
  readonly who: number;
  readonly lineage: Lineage;
}

/** How often a soak has met what this test is for. */
const met = { images: 0, chunked: 0, displaced: 0, chains: 0, excluded: 0, forks: 0, freed: 0 };

class World {
  #time = Date.parse("2026-01-01T00:00:00Z");
  readonly #clock = {
    now: () => this.#time,
    monotonic: () => this.#time,
    sleep: () => Promise.resolve(),
  };
  readonly #model = new RetentionModel();
  readonly #saved = new Map<Digest, Omit<TreeEntry, "data">[]>();
  readonly #workspaces = new Map<number, Workspace>();
  #store!: FileStore;
  #images!: StoredImages;
  #config!: Config;
  #made = 0;

  constructor(readonly shared: SharedContent) {}

  async start(config: Config): Promise<void> {
    const { areas, content } = this.shared;
    const clock = this.#clock;
    const { excludes, chunkMinBytes, policy } = this.#config = config;
    this.#store = await FileStore.open({ folder: areas.blobs, spoolDir: areas.spool, clock });
    const retention = rulesOf(policy);
    const store = this.#store;
    this.#images = new StoredImages({ content, store, clock, retention, excludes, chunkMinBytes });
  }

  async play(action: Action): Promise<void> {
    if ("graces" in action) this.#time += action.graces * GRACE;
    if (action.do === "restart") await this.start(action.config);
    else if (action.do === "forget") await this.#forget(action.policy);
    else if (action.do === "collect") await this.#collect();
    else if (action.do === "fork") await this.#fork(action);
    else if (action.do !== "wait") await this.#save(action);
    await this.#check();
  }

  /** What is kept is restored, and past the grace nothing else is left. */
  async end(): Promise<void> {
    this.#time += GRACE + 1;
    await this.#collect();
    assertEquals(await this.#blobs(), (await this.#needed()).toSorted());
    for (const [url, manifest] of this.#model.images()) {
      const tree = await this.#restore(url, manifest);
      await this.shared.content.remove(tree);
    }
  }

  async #save(action: typeof save extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
    const { id, who, lineage } = this.#workspaces.get(action.workspace) ??
      await this.#init(action.workspace);
    const { areas } = this.shared;
    const path = join(areas.workspaces, id);
    for (const edit of action.edits) applyEdit(path, edit);
    if (action.isSettled) await settle(areas.scratch);
    const { excludes, policy } = this.#config;
    const entries = await readTree(path);
    const wanted = withoutExtents(packedEntries(path, entries, excludes));
    if (wanted.length < entries.length) met.excluded++;
    const tree: Tree = { area: "workspaces", name: id };
    const identity = IDENTITIES[who]!;
    const now = this.#time;
    let image: SavedImage;
    if (action.do === "backup") {
      image = await this.#images.saveBackup(tree, identity, { baseline: id, lineage });
      this.#model.addBackup(identity, image.manifest, { lineage, policy, now });
    } else {
      const url = this.#images.newSnapshotUrl(identity);
      image = await this.#images.saveSnapshot(tree, url, { baseline: id, lineage });
      this.#model.addSnapshot(url, image.manifest, lineage, now);
    }
    const earlier = this.#saved.get(image.manifest);
    if (earlier) assertSameTree(earlier, wanted);
    this.#saved.set(image.manifest, wanted);
    await this.#count(image.manifest);
  }

  async #init(workspace: number): Promise<Workspace> {
    const id = `w${this.#made++}`;
    const path = join(this.shared.areas.workspaces, id);
    await Deno.mkdir(path);
    await makeFirstTree(path);
    const made = { id, who: workspace % IDENTITIES.length, lineage: newLineage() };
    this.#workspaces.set(workspace, made);
    return made;
  }

  /** Starts a workspace from a kept image, in place of the one that is there, whoever's it is. */
  async #fork(
    { workspace, image, who }: typeof fork extends fc.Arbitrary<infer T> ? T : never,
  ): Promise<void> {
    const images = [...this.#model.images()];
    if (images.length === 0) return;
    const [url, manifest] = images[image % images.length]!;
    const id = `w${this.#made++}`;
    const { content } = this.shared;
    const tree = await this.#restore(url, manifest, id);
    await content.publish(tree, id);
    await noteImageUse(this.#store, manifest, id);
    this.#model.use(manifest, this.#time);
    const old = this.#workspaces.get(workspace);
    if (old) await content.remove({ area: "workspaces", name: old.id });
    this.#workspaces.set(workspace, { id, who, lineage: newLineage(manifest) });
    met.forks++;
  }

  /** Restores an image and compares it. @param baseline whose baseline it becomes; none's unless given */
  async #restore(url: string, manifest: Digest, baseline?: string): Promise<Tree> {
    const { content, areas } = this.shared;
    const tree = await content.create(ME);
    const { newBaseline } = await this.#images.restoreSnapshot(tree, url, {});
    if (baseline === undefined) await content.dropBaseline(newBaseline!);
    else await content.commitBaseline(newBaseline!, baseline);
    const restored = withoutExtents(await readTree(join(areas.staging, tree.name)));
    assertSameTree(restored, this.#saved.get(manifest)!);
    return tree;
  }

  async #forget(policy: Policy): Promise<void> {
    const { ttlHours } = policy;
    const ttl = ttlHours > 0 ? { snapshotTtl: ttlHours * HOUR } : {};
    const rules: ForgetPolicy = { backups: [rulesOf(policy)], ...ttl };
    const plan = await planForget(this.#store, rules);
    await applyForget(this.#store, plan, { policy: rules, force: true });
    this.#model.forget(policy, this.#time);
  }

  async #collect(): Promise<void> {
    const before = await this.#blobs();
    const store = this.#store;
    const mark = (signal?: AbortSignal) => liveBlobs(store, signal);
    await collect(store, { mark, graceMs: GRACE, clock: this.#clock, force: true });
    const needed = new Set(await this.#needed());
    for await (const { key, modified } of store.list("blobs/")) {
      const isYoung = modified >= this.#time - GRACE;
      assert(isYoung || needed.has(blobOfKey(key)!), `nothing needs ${key}`);
    }
    met.freed += before.length - (await this.#blobs()).length;
  }

  /** The store names what the policy keeps and nothing else, and no blob of it is lost. */
  async #check(): Promise<void> {
    const named = new Map<string, Digest>();
    for await (const reference of references(this.#store)) {
      for (const { url, manifest } of imagesOf(reference)) named.set(url, manifest);
    }
    assertEquals([...named].toSorted(), [...this.#model.images()].toSorted());
    const there = new Set(await this.#blobs());
    for (const digest of await this.#needed()) assert(there.has(digest), `${digest} is lost`);
  }

  async #blobs(): Promise<Digest[]> {
    const keys = await Array.fromAsync(this.#store.list("blobs/"));
    return keys.map(({ key }) => blobOfKey(key)!).toSorted();
  }

  /** Returns each digest that the manifest of a kept image names, whatever it is the digest of. */
  async #needed(): Promise<Digest[]> {
    const needed = new Set<Digest>();
    for (const manifest of this.#model.images().values()) {
      needed.add(manifest);
      const text = await this.#manifest(manifest);
      for (const [found] of text.matchAll(/sha256:[0-9a-f]{64}/g)) {
        if (isDigest(found)) needed.add(found);
      }
    }
    return [...needed];
  }

  async #manifest(digest: Digest): Promise<string> {
    const text = await Deno.readTextFile(join(this.shared.areas.blobs, blobKey(digest)));
    assertEquals(digestOf(text), digest, hexOf(digest));
    return text;
  }

  async #count(manifest: Digest): Promise<void> {
    const text = await this.#manifest(manifest);
    met.images++;
    if (text.includes("chunks.v1")) met.chunked++;
    else if (text.includes("wsdaemon.image.config")) met.displaced++;
    if (text.includes("index.below")) met.chains++;
  }
}

function rulesOf({ last, withinHours }: Policy): RetentionRules {
  const within = { years: 0, months: 0, days: 0, hours: withinHours };
  return { retain: last, otherLineages: 100, ...(withinHours > 0 ? { keep: { within } } : {}) };
}

async function play({ config, actions }: Scenario): Promise<void> {
  using shared = borrowContent();
  const world = new World(shared);
  await world.start(config);
  for (const action of actions) await world.play(action);
  await world.end();
}

Deno.test("what the policy keeps is restored whole, and what it drops is gone past the grace", async () => {
  for (const _ of rounds(1)) await playAll(scenario, play, RUNS);
  // deno-lint-ignore no-console -- it tells what a soak was worth
  if (soaking()) console.log(met);
});
