/**
 * One client of a chaos run: takes workspaces of its own through their lives on any node, edits them,
 * and holds the daemon to what it acknowledged.
 */

import { join } from "@std/path";
import { readTree, type TreeEntry } from "../../tests/fixtures/tree.ts";
import { checkNothingLeftOf } from "./audit.ts";
import { Calls, impatience, type Outcome } from "./calls.ts";
import type { Node } from "./cluster.ts";
import { editTree } from "./edits.ts";
import type { Occasion, SharedLock } from "./shared_lock.ts";
import { BrokenPromise, type KnownWorkspace, Promises, type SavedTrees } from "./model.ts";
import type { Random } from "./random.ts";
import { hexDigest } from "./sources.ts";
import {
  archiveStart,
  CHECKOUT,
  compositeStart,
  downloadStart,
  emptyStart,
  gitSpec,
  gitStart,
  type Initializer,
  type Prebuild,
  prebuildStart,
  type Sources,
  type Start,
} from "./starts.ts";

export interface ChaosClientOptions {
  name: string;
  random: Random;
  nodes: readonly Node[];
  sources: Sources;
  /** Shared while the client is at something, so that what must find it at rest can. */
  quiet: SharedLock;
  /** Shared while the client itself uses a node's disk. */
  disks: SharedLock;
  /** Told of each call that was answered well. */
  answers: Occasion;
  /** Aborts when the run is over: the operation under way is the last. */
  over: AbortSignal;
  log(line: string): void;
}

const OPERATIONS = {
  init: 5,
  cancelledInit: 0.5,
  edit: 6,
  backup: 5,
  snapshot: 2,
  pendingSnapshot: 2,
  prebuild: 1,
  dispose: 1.5,
  disposeWithBackup: 3,
  disposeTwice: 1.5,
  exists: 1,
} as const;

/** Where a workspace that has no backup yet starts from. */
const STARTS = {
  snapshot: 4,
  empty: 3,
  git: 2,
  download: 1,
  archive: 1.5,
  composite: 1,
  prebuild: 3,
} as const;

/** Workspaces of one client at a time. */
const MOST = 3;
const META_IDS = ["m1", "m2", "m3", "m4"];
/** The answer to an init from a save that is not there. */
const NO_SAVE = /There is no (?:snapshot|backup)/;

/** Runs until it is told that the run is over. */
export class ChaosClient {
  readonly #options: ChaosClientOptions;
  readonly #calls: Calls;
  readonly #promises = new Promises();
  readonly #workspaces: KnownWorkspace[] = [];
  readonly #pending = new Map<string, string[]>();
  readonly #prebuilds: Prebuild[] = [];
  #ids = 0;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.#calls = new Calls(options.nodes, options.log, options.answers);
  }

  /** Calls that ended, by how; and trees that were compared. */
  get counts(): ReadonlyMap<string, number> {
    return this.#calls.counts;
  }

  /** Workspaces that a node has to have while the client is at rest. */
  workspacesOn(node: number): string[] {
    return this.#workspaces.filter((it) => it.node === node).map(({ id }) => id);
  }

  async run(): Promise<void> {
    const { over, random, quiet } = this.#options;
    while (!over.aborted) {
      const operation = random.weighted(OPERATIONS);
      await quiet.shared(() => this.#do(operation));
    }
  }

  async #do(operation: keyof typeof OPERATIONS): Promise<void> {
    const { random } = this.#options;
    await this.#noticePowerCuts();
    if (operation === "init" || operation === "cancelledInit" || operation === "prebuild") {
      if (this.#workspaces.length >= MOST) return;
      if (operation === "init") return await this.#init();
      return await (operation === "prebuild" ? this.#makePrebuild() : this.#cancelledInit());
    }
    if (this.#workspaces.length === 0) return;
    const workspace = random.pick(this.#workspaces);
    switch (operation) {
      case "edit":
        return await this.#edit(workspace);
      case "backup":
        return await this.#backup(workspace);
      case "snapshot":
        return void await this.#snapshot(workspace, false);
      case "pendingSnapshot":
        return void await this.#snapshot(workspace, true);
      case "dispose":
        return await this.#dispose(workspace, [false]);
      case "disposeWithBackup":
        return await this.#dispose(workspace, [true]);
      case "disposeTwice":
        return await this.#dispose(
          workspace,
          random.pick([[true, true], [true, false], [false, true]]),
        );
      case "exists":
        return await this.#exists(workspace);
    }
  }

  /**
   * Holds a node whose disk lost what was not synced to what an init promised: its tree is durable.
   * What was edited since may be as it was at any moment.
   */
  async #noticePowerCuts(): Promise<void> {
    for (const workspace of this.#workspaces) {
      const { powerCuts } = this.#node(workspace);
      if (workspace.powerCuts === powerCuts) continue;
      if (!await this.#calls.isThere(workspace)) {
        throw new BrokenPromise(`${workspace.id} is gone with what its disk had not synced`);
      }
      workspace.powerCuts = powerCuts;
      this.#promises.pendingMayHoldAnything(this.#pending.get(workspace.id) ?? []);
      if (workspace.fresh === undefined) continue;
      const tree = await this.#fingerprint(workspace);
      if (tree !== workspace.fresh) {
        throw new BrokenPromise(`${workspace.id} has lost what its init had answered: ${tree}`);
      }
    }
  }

  #newWorkspace(): KnownWorkspace | undefined {
    const { name, random, nodes } = this.#options;
    // One instance of an identity at a time: two that back up would replace each other's backups.
    const free = META_IDS.filter((it) => !this.#workspaces.some(({ metaId }) => metaId === it));
    if (free.length === 0) return undefined;
    const id = `${name}-${++this.#ids}`;
    const node = random.whole(0, nodes.length - 1);
    return { id, node, metaId: random.pick(free), powerCuts: nodes[node]!.powerCuts };
  }

  /** Starts a workspace from its backup, or else from something else, on any node. */
  async #init(): Promise<void> {
    const workspace = this.#newWorkspace();
    if (!workspace) return;
    const { random } = this.#options;
    const backup = this.#promises.backup(workspace.metaId);
    if (backup) return await this.#restore(workspace, "backup", backup);
    const kind = random.weighted(STARTS);
    if (kind === "snapshot") {
      const snapshots = this.#promises.snapshots;
      if (snapshots.length === 0) return;
      // What is wrong with a snapshot shows best while it is new.
      const [url, saved] = random.next() < 0.5 ? snapshots.at(-1)! : random.pick(snapshots);
      return await this.#restore(workspace, url, saved);
    }
    const start = await this.#start(kind);
    if (start) await this.#startFrom(workspace, start);
  }

  async #start(kind: Exclude<keyof typeof STARTS, "snapshot">): Promise<Start | undefined> {
    const { random, sources } = this.#options;
    switch (kind) {
      case "empty":
        return emptyStart;
      case "git":
        return gitStart(random, sources);
      case "download":
        return await downloadStart(random, sources);
      case "archive":
        return archiveStart(random, sources);
      case "composite":
        return await compositeStart(random, sources);
      case "prebuild":
        return this.#prebuilds.length === 0
          ? undefined
          : prebuildStart(random, random.pick(this.#prebuilds));
    }
  }

  /** Starts a workspace from what is no save of this client's. Returns whether it is there. */
  async #startFrom(workspace: KnownWorkspace, start: Start): Promise<boolean> {
    const { daemonLog } = this.#node(workspace);
    // Sources fail in this run, and what they answer is not the daemon's.
    const expected = start === emptyStart ? [] : ["FAILED_PRECONDITION"];
    const outcome = await this.#callInit(workspace, start.what, start.initializer, expected);
    if (outcome.kind === "failed" && !await this.#isMade(workspace)) return false;
    this.#workspaces.push(workspace);
    const tree = await this.#read(workspace);
    const problem = start.problem(tree, this.#node(workspace).daemonLog.slice(daemonLog.length));
    if (problem !== undefined) {
      throw new BrokenPromise(`${workspace.id}, made from ${start.what}: ${problem}`);
    }
    workspace.fresh = await fingerprintOf(tree);
    this.#compared(`made from ${start.what.split(" ")[0]}`);
    return true;
  }

  async #callInit(
    workspace: KnownWorkspace,
    what: string,
    initializer: Initializer,
    expected: readonly string[],
  ): Promise<Outcome<void>> {
    const { name, random } = this.#options;
    return await this.#calls.make({
      workspace,
      what: `init from ${what}`,
      call: (client, options) =>
        client.initWorkspace({
          id: workspace.id,
          metadata: { owner: name, metaId: workspace.metaId },
          initializer,
        }, options),
      expected,
      patience: impatience(random),
    });
  }

  /** Starts a workspace from a save of this client's. Returns whether it is there. */
  async #restore(
    workspace: KnownWorkspace,
    what: string,
    saved: SavedTrees,
  ): Promise<void> {
    const initializer: Initializer = what === "backup"
      ? { spec: { case: "backup", value: {} } }
      : { spec: { case: "snapshot", value: { snapshot: what } } };
    const name = what === "backup" ? `backup ${workspace.metaId}` : `snapshot ${what}`;
    const outcome = await this.#callInit(workspace, name, initializer, [
      "NOT_FOUND",
      "FAILED_PRECONDITION",
    ]);
    if (outcome.kind === "failed") {
      if (["NOT_FOUND", "FAILED_PRECONDITION"].includes(outcome.code)) {
        if (!NO_SAVE.test(outcome.message)) throw new BrokenPromise(outcome.message);
        return this.#promises.missing(name, saved);
      }
      if (!await this.#isMade(workspace)) return;
    }
    this.#workspaces.push(workspace);
    const tree = await this.#fingerprint(workspace);
    this.#promises.restored(`${name} as ${workspace.id}`, saved, tree);
    this.#compared(`restored from ${what === "backup" ? what : "snapshot"}`);
    workspace.fresh = tree;
  }

  /** Disposes of a workspace while it is being made. */
  async #cancelledInit(): Promise<void> {
    const workspace = this.#newWorkspace();
    if (!workspace) return;
    const { random } = this.#options;
    const start = await this.#start(random.pick(["git", "download", "archive", "composite"]));
    if (!start) return;
    const init = this.#callInit(workspace, start.what, start.initializer, ["FAILED_PRECONDITION"]);
    await new Promise((resolve) => setTimeout(resolve, random.whole(0, 400)));
    await this.#calls.make({
      workspace,
      what: "dispose while it is made",
      call: (client, options) => client.disposeWorkspace({ id: workspace.id }, options),
      expected: ["NOT_FOUND"],
    });
    await init;
    // Whichever of the two came first.
    if (!await this.#isMade(workspace)) return;
    workspace.fresh = await this.#fingerprint(workspace);
    this.#workspaces.push(workspace);
  }

  /** Whether an init that was not answered well has made its workspace; if not, it leaves nothing. */
  async #isMade(workspace: KnownWorkspace): Promise<boolean> {
    if (await this.#calls.isThere(workspace)) return true;
    const { disks } = this.#options;
    await disks.shared(() => checkNothingLeftOf(workspace.id, this.#node(workspace)));
    return false;
  }

  /** Makes a checkout, builds something in it, and takes a snapshot of that. */
  async #makePrebuild(): Promise<void> {
    const workspace = this.#newWorkspace();
    if (!workspace) return;
    const { random, sources, disks } = this.#options;
    const repository = random.pick(sources.repositories);
    const { commit, spec } = gitSpec(random, repository);
    const start: Start = {
      what: `git ${spec.remoteUri} for a prebuild of ${commit.hash}`,
      initializer: { spec: { case: "git", value: spec } },
      problem: () => undefined,
    };
    if (!await this.#startFrom(workspace, start)) return;
    const built = [`${CHECKOUT}/built`, "beside"];
    delete workspace.fresh;
    const isBuilt = await disks.shared(() => {
      const root = this.#node(workspace).workspace(workspace.id);
      return Promise.resolve(built.every((path) => build(join(root, path), random)));
    });
    const { powerCuts } = this.#node(workspace);
    const tree = await this.#read(workspace);
    const url = await this.#snapshot(workspace, false);
    // What a disk has no room for, or has lost, is no prebuild.
    if (url === undefined || !isBuilt || this.#node(workspace).powerCuts > powerCuts) return;
    const isBuiltEntry = ({ path, type }: TreeEntry) =>
      type === "file" && built.some((folder) => path.startsWith(`${folder}/`));
    this.#prebuilds.push({ url, repository, built: tree.filter(isBuiltEntry) });
  }

  async #edit(workspace: KnownWorkspace): Promise<void> {
    delete workspace.fresh;
    const { disks, random } = this.#options;
    await disks.shared(() => {
      editTree(this.#node(workspace).workspace(workspace.id), random);
      return Promise.resolve();
    });
    // Whether they are stored by now, or how far, nobody says.
    this.#promises.pendingMayHoldAnything(this.#pending.get(workspace.id) ?? []);
  }

  async #backup(workspace: KnownWorkspace): Promise<void> {
    const backup = async (patience = {}) => {
      const { powerCuts } = this.#node(workspace);
      const tree = await this.#fingerprint(workspace);
      const outcome = await this.#calls.make({
        workspace,
        what: "backup",
        call: (client, options) => client.backupWorkspace(workspace.id, options),
        patience,
      });
      if (outcome.kind === "ok") this.#promises.backupStored(workspace.metaId, tree);
      else this.#promises.backupUncertain(workspace.metaId, tree);
      // With a power cut in between, it may have been another tree already.
      if (this.#node(workspace).powerCuts > powerCuts) {
        this.#promises.backupMayHoldAnything(workspace.metaId);
      }
      return outcome;
    };
    const outcome = await backup(impatience(this.#options.random));
    if (outcome.kind === "ok") return;
    // The first goes on, and a second comes after it: until then the tree must not change.
    if (["DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL"].includes(outcome.code)) await backup();
    await this.#settle(workspace);
  }

  /** Returns the snapshot's url, where it was answered. */
  async #snapshot(workspace: KnownWorkspace, returnImmediately: boolean) {
    const { powerCuts } = this.#node(workspace);
    const tree = await this.#fingerprint(workspace);
    const outcome = await this.#calls.make({
      workspace,
      what: returnImmediately ? "pending snapshot" : "snapshot",
      call: (client, options) =>
        client.takeSnapshot({ id: workspace.id, returnImmediately }, options),
      patience: impatience(this.#options.random),
    });
    if (outcome.kind === "failed") {
      await this.#settle(workspace);
      return undefined;
    }
    this.#promises.snapshotTaken(outcome.value, tree, returnImmediately);
    if (this.#node(workspace).powerCuts > powerCuts) {
      this.#promises.mayHoldAnything(outcome.value);
    }
    if (!returnImmediately) return outcome.value;
    const urls = this.#pending.get(workspace.id) ?? [];
    this.#pending.set(workspace.id, [...urls, outcome.value]);
    return outcome.value;
  }

  /** @param backups whether each of the calls that are made side by side wants a backup */
  async #dispose(workspace: KnownWorkspace, backups: readonly boolean[]): Promise<void> {
    const { powerCuts } = this.#node(workspace);
    const tree = await this.#fingerprint(workspace);
    const dispose = (backup: boolean) =>
      this.#calls.make({
        workspace,
        what: backup ? "dispose-with-backup" : "dispose",
        call: (client, options) => client.disposeWorkspace({ id: workspace.id, backup }, options),
        expected: backups.length > 1
          ? ["NOT_FOUND", "DATA_LOSS", "FAILED_PRECONDITION"]
          : ["NOT_FOUND", "DATA_LOSS"],
        patience: impatience(this.#options.random),
      });
    const outcomes = await Promise.all(backups.map(dispose));
    const isGone = !await this.#calls.isThere(workspace);
    this.#noteBackup(workspace, tree, backups, outcomes, isGone);
    if (this.#node(workspace).powerCuts > powerCuts && backups.includes(true)) {
      this.#promises.backupMayHoldAnything(workspace.metaId);
    }
    if (!isGone) {
      if (outcomes.some(({ kind }) => kind === "ok")) {
        throw new BrokenPromise(`${workspace.id} was disposed of and is there`);
      }
      return;
    }
    // Pending snapshots are finished before anything is deleted.
    for (const url of this.#pending.get(workspace.id) ?? []) this.#promises.snapshotDue(url);
    this.#forget(workspace);
    await this.#mustBeGone(workspace);
  }

  #noteBackup(
    { metaId }: KnownWorkspace,
    tree: string,
    backups: readonly boolean[],
    outcomes: readonly Outcome<unknown>[],
    isGone: boolean,
  ): void {
    if (!backups.includes(true)) return;
    const isAcknowledged = backups.some((backup, n) => backup && outcomes[n]!.kind === "ok");
    // A disposal that was to make a backup deletes nothing before that is stored.
    const isImplied = isGone && !backups.includes(false);
    if (isAcknowledged || isImplied) this.#promises.backupStored(metaId, tree);
    else this.#promises.backupUncertain(metaId, tree);
  }

  /** Now and then, asks for what was disposed of once more. */
  async #mustBeGone(workspace: KnownWorkspace): Promise<void> {
    if (this.#options.random.next() < 0.7) return;
    const outcome = await this.#calls.make({
      workspace,
      what: "repeated-dispose",
      call: (client, options) => client.disposeWorkspace({ id: workspace.id }, options),
      expected: ["NOT_FOUND"],
    });
    if (outcome.kind === "ok") throw new BrokenPromise(`${workspace.id} was disposed of twice`);
  }

  async #exists(workspace: KnownWorkspace): Promise<void> {
    const outcome = await this.#calls.make({
      workspace,
      what: "exists",
      call: (client, options) => client.isWorkspaceExists(workspace.id, options),
    });
    if (outcome.kind === "ok" && !outcome.value) {
      throw new BrokenPromise(`${workspace.id} is not known any more`);
    }
  }

  /** Disposes of everything with a backup, then restores all that was promised, on every node. */
  async finish(): Promise<void> {
    await this.#noticePowerCuts();
    for (const workspace of [...this.#workspaces]) await this.#disposeSurely(workspace, true);
    for (const metaId of this.#promises.metaIds) {
      await this.#restoreOnce("backup", metaId, this.#promises.backup(metaId)!);
    }
    for (const [url, saved] of this.#promises.snapshots) {
      await this.#restoreOnce(url, "restored", saved);
    }
  }

  /** A call that is given up may never have come to the daemon. */
  async #disposeSurely(workspace: KnownWorkspace, backup: boolean): Promise<void> {
    for (let tries = 0; this.#workspaces.includes(workspace); tries++) {
      if (tries === 20) throw new BrokenPromise(`${workspace.id} cannot be disposed of`);
      await this.#dispose(workspace, [backup]);
    }
  }

  async #restoreOnce(what: string, metaId: string, saved: SavedTrees): Promise<void> {
    const { name, random, nodes } = this.#options;
    for (let tries = 0; tries < 20; tries++) {
      const node = random.whole(0, nodes.length - 1);
      const id = `${name}-${++this.#ids}`;
      const workspace = { id, node, metaId, powerCuts: nodes[node]!.powerCuts };
      await this.#restore(workspace, what, saved);
      if (this.#workspaces.includes(workspace)) return await this.#disposeSurely(workspace, false);
      if (saved.mayBeMissing) return;
    }
    throw new BrokenPromise(`${what} cannot be restored`);
  }

  #node({ node }: KnownWorkspace): Node {
    return this.#options.nodes[node]!;
  }

  #forget(workspace: KnownWorkspace): void {
    this.#workspaces.splice(this.#workspaces.indexOf(workspace), 1);
    this.#pending.delete(workspace.id);
  }

  #compared(what: string): void {
    const { counts } = this.#calls;
    counts.set(`tree ${what}`, (counts.get(`tree ${what}`) ?? 0) + 1);
  }

  /** A workspace that no call is under way on must be AVAILABLE. */
  async #settle(workspace: KnownWorkspace): Promise<void> {
    if (!await this.#calls.isThere(workspace)) {
      throw new BrokenPromise(`${workspace.id} is not AVAILABLE after a call on it failed`);
    }
  }

  async #read(workspace: KnownWorkspace): Promise<TreeEntry[]> {
    const path = this.#node(workspace).workspace(workspace.id);
    return await this.#options.disks.shared(() => readTree(path));
  }

  async #fingerprint(workspace: KnownWorkspace): Promise<string> {
    return await fingerprintOf(await this.#read(workspace));
  }
}

/** Which of several names sorts first is no property of the tree; sizes on disk are none either. */
async function fingerprintOf(tree: readonly TreeEntry[]): Promise<string> {
  const seen = tree.map(({ data: _, ...entry }) => entry);
  const digest = await hexDigest(new TextEncoder().encode(JSON.stringify(seen)));
  return digest.slice(0, 16);
}

/** Makes a folder with a few files. Returns whether there was room for it. */
function build(folder: string, random: Random): boolean {
  try {
    Deno.mkdirSync(folder);
    for (let n = random.whole(1, 4); n > 0; n--) {
      Deno.writeFileSync(join(folder, `output-${n}`), random.bytes(random.whole(0, 30_000)));
    }
    return true;
  } catch (error) {
    if (error instanceof Error && /os error (?:28|122)\b/.test(error.message)) return false;
    throw error;
  }
}
