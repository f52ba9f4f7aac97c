/** Our own engine: content Workers as the daemon starts them, and the embedded store. */

import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/tree.ts";
import type { Areas, ContentWorkerStart } from "../../src/content/worker_start.ts";
import { connectContent, type ConnectedContent } from "../../src/content/connect_content.ts";
import { confinementSupport, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { contentPermissions } from "../../src/process/worker_permissions.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import type { AsideFolder } from "./aside_folder.ts";
import { type Contender, type Phase, PHASES } from "./contenders.ts";
import { bytesIn, type Measure, measureHere, measureShell, residentHere } from "./measure.ts";

const ID = "bench";
/** Whatever was restored. */
const RESTORED = "restored";
const TREE: Tree = { area: "workspaces", name: ID };
const ME = { uid: Deno.uid()!, gid: Deno.gid()! };
const IDENTITY = { owner: "bench", metaId: ID };

export class Ours implements Contender, Disposable {
  readonly name = "wsdaemon";
  readonly phases = PHASES;
  readonly #root: string;
  readonly #areas: Required<Areas>;
  readonly #workers: Worker[] = [];
  readonly #content: ConnectedContent;
  readonly #aside: AsideFolder;
  #images: StoredImages | undefined;
  /** Bytes that were resident before the first run: what later ones find may be left of earlier ones. */
  #idle: number | undefined;

  /**
   * @param root a folder of its own, on the file system of the trees
   * @param aside takes restored trees
   */
  constructor(root: string, aside: AsideFolder, cores: number) {
    this.#root = root;
    this.#aside = aside;
    this.#areas = {
      workspaces: join(root, "workspaces"),
      staging: join(root, "staging"),
      trash: join(root, "trash"),
      spool: join(root, "spool"),
      scratch: join(root, "git"),
      baselines: join(root, "baselines"),
      bases: join(root, "bases"),
      cache: join(root, "cache"),
      blobs: join(root, "store"),
    };
    for (const area of Object.values(this.#areas)) Deno.mkdirSync(area, { recursive: true });
    this.#content = connectContent(Array.from({ length: cores + 1 }, () => this.#startWorker()));
  }

  /** Where the tree must be for {@link begin}. */
  get place(): string {
    return join(this.#areas.workspaces, ID);
  }

  /** Makes the tree a subvolume, empty. @throws {Error} where the root is on no btrfs */
  async makeSubvolume(): Promise<void> {
    const { kind, reason } = await this.#content.chooseVolume("auto");
    if (kind !== "btrfs") throw new Error(`cannot make a subvolume: ${reason}`);
    await this.#content.publish(await this.#content.create(ME, ID), ID);
  }

  /** Disposes of a whole copy of the tree, which shares nothing with it. @returns seconds */
  async disposeCopy(kind: "subvolume" | "plain"): Promise<number> {
    const copy: Tree = { area: "workspaces", name: "copy" };
    const path = join(this.#areas.workspaces, copy.name);
    const make = kind === "subvolume"
      ? `btrfs -q subvolume create "$COPY" && cp -a --reflink=never "$TREE/." "$COPY" && sync`
      : `cp -a --reflink=never "$TREE" "$COPY" && sync`;
    await measureShell(make, { cwd: this.#root, env: { TREE: this.place, COPY: path } });
    return (await measureHere(() => this.#content.remove(copy))).wall;
  }

  /** Waits until the Workers are there, and takes what is resident then for idle. */
  async rest(): Promise<void> {
    await Promise.all(this.#workers.map(() => this.#content.dropBaseline(ID)));
    this.#idle = residentHere();
  }

  async clear(): Promise<void> {
    // The folder itself is open in the Workers.
    for (const { name } of Deno.readDirSync(this.store)) {
      await Deno.remove(join(this.store, name), { recursive: true });
    }
  }

  /** @param options.chunkMinBytes files of this size and more are stored as chunks; none unless given */
  async begin(_path = this.place, { chunkMinBytes = 0 } = {}): Promise<void> {
    await this.#content.dropBaseline(ID);
    await this.clear();
    const { blobs: folder, spool: spoolDir } = this.#areas;
    const store = await FileStore.open({ folder, spoolDir, clock: systemClock });
    this.#images = new StoredImages({
      content: this.#content,
      store,
      clock: systemClock,
      retention: { retain: 1, otherLineages: 8 },
      chunkMinBytes,
    });
  }

  async run(phase: Phase): Promise<Measure> {
    const images = this.#images!;
    if (phase === "restore" || phase === "restore-again") return await this.#restore(images);
    return await measureHere(
      () => images.saveBackup(TREE, IDENTITY, { baseline: ID }),
      this.#idle,
    );
  }

  /** Restores until the tree is a workspace, which makes it durable. */
  async #restore(images: StoredImages): Promise<Measure> {
    const to = await this.#content.create(ME);
    let unsynced = 0;
    const start = performance.now();
    const measure = await measureHere(async () => {
      await images.restoreBackup(to, IDENTITY, {});
      unsynced = (performance.now() - start) / 1000;
      await this.#content.publish(to, RESTORED);
    }, this.#idle);
    await this.#aside.take(join(this.#areas.workspaces, RESTORED));
    return { ...measure, unsynced };
  }

  get store(): string {
    return this.#areas.blobs;
  }

  stored(): number {
    return bytesIn(this.store);
  }

  [Symbol.dispose](): void {
    this.#content.close();
    for (const worker of this.#workers) worker.terminate();
  }

  #startWorker(): MessagePort {
    const libc = libcPath();
    openLibc(libc);
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL("../../src/content/worker.ts", import.meta.url), {
      type: "module",
      name: `content-${this.#workers.length + 1}`,
      deno: { permissions: contentPermissions(libc) },
    });
    const start: ContentWorkerStart = {
      kind: "start",
      libc,
      areas: this.#areas,
      // As on a node.
      confinement: confinementSupport(),
      port: port2,
    };
    worker.postMessage(start, [port2]);
    this.#workers.push(worker);
    return port1;
  }
}
