/**
 * A manager on parts that tests steer: initializers and images end when told to. The journal is
 * real; what content and stores do has tests of its own, and end-to-end ones use the real parts.
 */

import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { type Content } from "../../src/content/content.ts";
import { type ContentEntry, type Tree } from "../../src/content/tree.ts";
import { NO_OMISSIONS } from "../../src/content/omissions.ts";
import { type PackStats } from "../../src/content/pack/pack_result.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import type { Clock } from "../../src/clock.ts";
import { ManualClock } from "../fixtures/clock.ts";
import type { Initializers } from "../../src/initializer/initializers.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import type { Lineage } from "../../src/snapshot/lineage.ts";
import type { Images, SavedImage } from "../../src/snapshot/images.ts";
import type { InitRequest } from "../../src/workspace/workspaces.ts";
import { Journal } from "../../src/workspace/journal.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { type ManagerOptions, WorkspaceManager } from "../../src/workspace/manager.ts";
import { WorkspaceMetrics } from "../../src/workspace/workspace_metrics.ts";

const STATS: PackStats = {
  files: 0,
  directories: 0,
  otherEntries: 0,
  contentBytes: 0,
  filesRead: 0,
  bytesRead: 0,
  newLayers: 0,
  newLayerBytes: 0,
  skippedSockets: 0,
  unstable: [],
  unstableCount: 0,
  unrestorable: NO_OMISSIONS,
  retainedOmissions: 0,
  excluded: { entries: 0, examples: [] },
};

/** Calls that wait at a barrier until the test lets each one go on or fail. */
export class Barrier {
  #arrived: { name: string; go: PromiseWithResolvers<void> }[] = [];
  #watchers: (() => void)[] = [];
  /** Every call that came, in order. */
  readonly seen: string[] = [];
  /** Whether calls pass without waiting. */
  open = true;
  /** Done in the course of the next call. */
  onNext: (() => void) | undefined;

  async pass(name: string, signal?: AbortSignal): Promise<void> {
    this.seen.push(name);
    this.onNext?.();
    this.onNext = undefined;
    if (this.open) return;
    const go = Promise.withResolvers<void>();
    const call = { name, go };
    this.#arrived.push(call);
    signal?.addEventListener("abort", () => {
      this.#arrived = this.#arrived.filter((one) => one !== call);
      go.reject(signal.reason);
    }, { once: true });
    this.#watchers.splice(0).forEach((watch) => watch());
    await go.promise;
  }

  /** Waits for the next call at the barrier. */
  async next(): Promise<{ name: string; go(): void; fail(error: Error): void }> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
    const { name, go } = this.#arrived.shift()!;
    return { name, go: () => go.resolve(), fail: (error) => go.reject(error) };
  }

  get waiting(): number {
    return this.#arrived.length;
  }
}

type DiskOperation = "publish" | "remove" | "deleteTrash";

/** What a node's disk would hold. */
export class Disk {
  readonly trees = new Set<string>();
  readonly baselines = new Set<string>();
  /** What an earlier daemon left in the trash, by group. */
  readonly trash = new Set<string>();
  /** Whether temporary files of an earlier daemon were deleted. */
  discarded = 0;
  /** Of every tree. */
  topFolder: ContentEntry[] = [];
  /** What the next call of an operation fails with, once it has done its work where it says so. */
  readonly faults = new Map<DiskOperation, { error: Error; afterwards?: boolean }>();
  /** What every call of an operation fails with. */
  readonly always = new Map<DiskOperation, Error>();
  /** Trees that cannot be removed. */
  readonly stuck = new Set<string>();
  readonly #holds = new Map<DiskOperation, () => Promise<void>>();

  /** Stops the next call of an operation until the test lets it go on. */
  hold(operation: DiskOperation): { reached: Promise<void>; go(): void } {
    const reached = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    this.#holds.set(operation, () => {
      this.#holds.delete(operation);
      reached.resolve();
      return go.promise;
    });
    return { reached: reached.promise, go: () => go.resolve() };
  }

  /** Does `work`, unless it is to fail. */
  async act(operation: DiskOperation, work: () => void): Promise<void> {
    await this.#holds.get(operation)?.();
    const always = this.always.get(operation);
    if (always) throw always;
    const fault = this.faults.get(operation);
    this.faults.delete(operation);
    if (!fault || fault.afterwards) work();
    if (fault) throw fault.error;
  }
}

function contentOn(disk: Disk): Content {
  const key = (tree: Tree) => `${tree.area}/${tree.name}`;
  const unused = () => Promise.reject(new Error("not used by the lifecycle"));
  let count = 0;
  return {
    workers: 1,
    bases: {
      list: unused,
      make: unused,
      seal: unused,
      adopt: unused,
      clone: unused,
      measure: unused,
      remove: unused,
      removeHalfMade: unused,
      space: unused,
    },
    folders: { inspect: unused, isEmpty: unused, idOf: unused, fill: unused },
    chooseVolume: unused,
    isUnchanged: unused,
    verifyBlob: unused,
    limit: () => Promise.resolve(false),
    peerCredentials: () => Promise.reject(new Error("not here")),
    processUsage: unused,
    usages: unused,
    create: (_owner, workspace) => {
      const tree: Tree = { area: "staging", name: `${workspace}~${++count}` };
      disk.trees.add(key(tree));
      return Promise.resolve(tree);
    },
    publish: (tree, id) =>
      disk.act("publish", () => {
        const to = key({ area: "workspaces", name: id });
        if (disk.trees.has(to)) throw new DaemonError("ALREADY_EXISTS", `${to} is there`);
        disk.trees.delete(key(tree));
        disk.trees.add(to);
      }),
    remove: (tree) =>
      disk.act("remove", () => {
        if (disk.stuck.has(key(tree))) throw new DaemonError("FAILED_PRECONDITION", "a mount");
        disk.trash.delete(tree.name);
        disk.trees.delete(key(tree));
        const beginning = `staging/${tree.name}~`;
        for (const one of disk.trees) if (one.startsWith(beginning)) disk.trees.delete(one);
      }),
    published: () =>
      Promise.resolve(
        [...disk.trees].filter((one) => one.startsWith("workspaces/")).map((one) => one.slice(11)),
      ),
    leftovers: () =>
      Promise.resolve({
        staging: [...disk.trees].filter((one) => one.startsWith("staging/")).map((one) =>
          one.slice(8)
        ),
        trash: [...disk.trash],
        bases: [],
        scratch: [],
        spool: [],
        tokens: [],
        foreign: [],
      }),
    deleteTrash: (group) => disk.act("deleteTrash", () => void disk.trash.delete(group)),
    discardLeftovers: () => {
      disk.discarded++;
      return Promise.resolve([]);
    },
    exists: (tree) => Promise.resolve(disk.trees.has(key(tree))),
    commitBaseline: (_token, name) => Promise.resolve(void disk.baselines.add(name)),
    discard: unused,
    dropBaseline: (name) => Promise.resolve(void disk.baselines.delete(name)),
    list: (_tree, path) => Promise.resolve(path === "" ? disk.topFolder : []),
    clear: unused,
    pack: unused,
    restore: unused,
    extract: unused,
    baselineLayers: unused,
    makeDirectory: unused,
    chownDirectory: unused,
    inspectPaths: unused,
    movePaths: unused,
    hashFile: unused,
    readLink: unused,
    place: unused,
    placeReadyFile: unused,
    removeReadyFile: unused,
    copyOut: unused,
    openDirectory: unused,
    usage: unused,
  };
}

/** A manager and everything a test wants to steer or see. */
export class Fixture<C extends Clock = ManualClock> implements AsyncDisposable {
  readonly initBarrier = new Barrier();
  readonly saveBarrier = new Barrier();
  readonly statusBarrier = new Barrier();
  /** Where the store is asked whether it has a snapshot. */
  readonly existsBarrier = new Barrier();
  /** What the next backups meet of other lineages. */
  metByBackups: Pick<SavedImage, "otherLineages"> = {};
  /** The lineages of the backups that were begun. */
  readonly lineages: (Lineage | undefined)[] = [];
  /** Terminal logs that cannot be stored, by task. */
  readonly unstorableLogs = new Set<string>();
  readonly storedLogs: string[] = [];
  readonly clock: C;
  metrics = new Metrics();
  operations: OperationRegistry;
  readonly disk: Disk = new Disk();
  /** References in the store. */
  readonly stored: Set<string> = new Set();
  manager: WorkspaceManager;
  #journal: Journal;
  readonly #folder: string;
  readonly #backup: ManagerOptions["backup"];

  private constructor(folder: string, backup: ManagerOptions["backup"], clock: C) {
    this.clock = clock;
    this.operations = new OperationRegistry(clock);
    this.#folder = folder;
    this.#backup = backup;
    this.#journal = new Journal(join(folder, "state.db"));
    this.manager = this.#newManager();
  }

  static async start(
    backup: ManagerOptions["backup"] = { attempts: 2, concurrency: 2 },
  ): Promise<Fixture> {
    return await Fixture.startWith(new ManualClock(), backup);
  }

  /** Starts one that goes by another clock. */
  static async startWith<C extends Clock>(
    clock: C,
    backup: ManagerOptions["backup"],
  ): Promise<Fixture<C>> {
    const fixture = new Fixture(await Deno.makeTempDir(), backup, clock);
    await fixture.manager.start();
    return fixture;
  }

  get journal(): Journal {
    return this.#journal;
  }

  /**
   * A second life on the same disk, as after `kill -9`: nothing of the first is told anything.
   * @param sql what somebody does to the journal meanwhile
   */
  async restart(sql?: string): Promise<void> {
    const path = join(this.#folder, "state.db");
    this.#journal[Symbol.dispose]();
    if (sql !== undefined) {
      using db = new DatabaseSync(path);
      db.exec(sql);
    }
    this.#journal = new Journal(path);
    this.metrics = new Metrics();
    this.operations = new OperationRegistry(this.clock);
    this.manager = this.#newManager();
    await this.manager.start();
  }

  #newManager(): WorkspaceManager {
    const content = contentOn(this.disk);
    return new WorkspaceManager({
      operations: this.operations,
      content,
      images: this.#images(),
      initializers: this.#initializers(),
      gitStatus: {
        status: async (_tree, _location, { signal } = {}) => {
          await this.statusBarrier.pass("status", signal);
          return undefined;
        },
      },
      journal: this.#journal,
      admission: { checkInit: () => {} },
      clock: this.clock,
      metrics: new WorkspaceMetrics(this.metrics),
      remoteStorage: true,
      contentOwner: { uid: 0, gid: 0 },
      backup: this.#backup,
    });
  }

  #images(): Images {
    let count = 0;
    const save = async (url: string, signal?: AbortSignal): Promise<SavedImage> => {
      await this.saveBarrier.pass(url, signal);
      this.stored.add(url);
      return { url, manifest: digestOf(url), stats: STATS };
    };
    return {
      checkSnapshotName: () => {},
      newSnapshotUrl: () => `snapshot-${++count}`,
      snapshotExists: async (url, signal) => {
        await this.existsBarrier.pass(url, signal);
        return this.stored.has(url);
      },
      saveSnapshot: (_tree, url, { signal }) => save(url, signal),
      saveBackup: async (_tree, { owner, metaId }, { signal, lineage }) => {
        this.lineages.push(lineage);
        const saved = await save(`backup-${owner}-${metaId}`, signal);
        return { ...saved, ...this.metByBackups };
      },
      restoreSnapshot: () => Promise.reject(new Error("not used")),
      restoreBackup: () => Promise.reject(new Error("not used")),
      saveLog: (_tree, _path, { task }) => {
        if (this.unstorableLogs.has(task)) return Promise.reject(new Error("no such luck"));
        this.storedLogs.push(task);
        return Promise.resolve();
      },
    };
  }

  #initializers(): Initializers {
    return {
      parse: (spec) => {
        if (spec.kind !== "empty") throw new DaemonError("INVALID_ARGUMENT", "only empty here");
        return { members: [], checkoutLocation: "" };
      },
      run: (_plan, context) => this.initBarrier.pass("init", context.signal),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.initBarrier.open = this.saveBarrier.open = true;
    this.existsBarrier.open = this.statusBarrier.open = true;
    await this.manager.stop(0);
    this.#journal[Symbol.dispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** A request that every fixture accepts. */
export function request(id: string, more: Partial<InitRequest> = {}): InitRequest {
  return {
    id,
    owner: "alice",
    metaId: "m",
    initializer: { kind: "empty" },
    remoteStorageDisabled: false,
    storageQuotaBytes: 0n,
    ...more,
  };
}
