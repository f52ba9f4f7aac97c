/**
 * One client of a chaos run: takes workspaces of its own through their lives on any node, edits them,
 * and holds the daemon to what it acknowledged.
 */

import { ClientError } from "../../src/rpc/client.ts";
import { readTree } from "../../tests/fixtures/tree.ts";
import type { Node } from "./cluster.ts";
import { editTree } from "./edits.ts";
import { BrokenPromise, type KnownWorkspace, Promises, type SavedTrees } from "./model.ts";
import type { Random } from "./random.ts";

export interface ChaosClientOptions {
  name: string;
  random: Random;
  nodes: readonly Node[];
  /** Aborts when the run is over: the operation under way is the last. */
  over: AbortSignal;
  log(line: string): void;
}

const OPERATIONS = {
  init: 4,
  edit: 6,
  backup: 5,
  snapshot: 2,
  pendingSnapshot: 1,
  dispose: 2,
  disposeWithBackup: 3,
  exists: 1,
} as const;

/** Workspaces of one client at a time. */
const MOST = 3;
const META_IDS = ["m1", "m2", "m3", "m4"];
/** Codes that faults of the run explain; anything else is a finding. */
const EXPECTED = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "RESOURCE_EXHAUSTED",
  "ABORTED",
]);

/** How a call ended: well, with a code, or with its answer lost. */
type Outcome<T> = { kind: "ok"; value: T } | { kind: "failed"; error: ClientError };

/** Runs until it is told that the run is over. */
export class ChaosClient {
  readonly #options: ChaosClientOptions;
  readonly #promises = new Promises();
  readonly #workspaces: KnownWorkspace[] = [];
  readonly #pending = new Map<string, string[]>();
  #ids = 0;
  /** Operations that ended, by how. */
  readonly counts = new Map<string, number>();

  constructor(options: ChaosClientOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { over, random } = this.#options;
    while (!over.aborted) {
      const operation = random.weighted(OPERATIONS);
      await this.#do(operation);
    }
  }

  async #do(operation: keyof typeof OPERATIONS): Promise<void> {
    const { random } = this.#options;
    if (operation === "init") {
      if (this.#workspaces.length < MOST) await this.#init();
      return;
    }
    if (this.#workspaces.length === 0) return;
    const workspace = random.pick(this.#workspaces);
    switch (operation) {
      case "edit":
        return this.#edit(workspace);
      case "backup":
        return await this.#backup(workspace);
      case "snapshot":
        return await this.#snapshot(workspace, false);
      case "pendingSnapshot":
        return await this.#snapshot(workspace, true);
      case "dispose":
        return await this.#dispose(workspace, false);
      case "disposeWithBackup":
        return await this.#dispose(workspace, true);
      case "exists":
        return await this.#exists(workspace);
    }
  }

  /** Starts a workspace from nothing, from a backup or from a snapshot, on any node. */
  async #init(): Promise<void> {
    const { name, random, nodes } = this.#options;
    // One instance of an identity at a time: two that back up would replace each other's backups.
    const free = META_IDS.filter((it) => !this.#workspaces.some(({ metaId }) => metaId === it));
    if (free.length === 0) return;
    const workspace = {
      id: `${name}-${++this.#ids}`,
      node: random.whole(0, nodes.length - 1),
      metaId: random.pick(free),
    };
    const backup = this.#promises.backup(workspace.metaId);
    const snapshots = this.#promises.snapshots;
    const from = backup
      ? "backup" as const
      : snapshots.length > 0 && random.next() < 0.5
      ? "snapshot" as const
      : "empty" as const;
    const snapshot = from === "snapshot" ? random.pick(snapshots) : undefined;
    const saved = backup ?? snapshot?.[1];
    const outcome = await this.#call(
      workspace,
      `init from ${from}`,
      (client) =>
        client.initWorkspace({
          id: workspace.id,
          metadata: { owner: name, metaId: workspace.metaId },
          initializer: {
            spec: from === "backup"
              ? { case: "backup", value: {} }
              : snapshot
              ? { case: "snapshot", value: { snapshot: snapshot[0] } }
              : { case: "empty", value: {} },
          },
        }),
      ["NOT_FOUND", "FAILED_PRECONDITION"],
    );
    if (outcome.kind === "failed") {
      const { code } = outcome.error;
      if (saved && (code === "NOT_FOUND" || code === "FAILED_PRECONDITION")) {
        if (!/There is no (?:snapshot|backup)/.test(outcome.error.message)) throw outcome.error;
        this.#promises.missing(`${from} ${snapshot?.[0] ?? workspace.metaId}`, saved);
        return;
      }
      if (!await this.#isAvailable(workspace)) return;
    }
    this.#workspaces.push(workspace);
    await this.#checkRestored(workspace, from, saved);
  }

  async #checkRestored(
    workspace: KnownWorkspace,
    from: string,
    saved: SavedTrees | undefined,
  ): Promise<void> {
    const tree = await this.#fingerprint(workspace);
    if (saved) this.#promises.restored(`${from} as ${workspace.id}`, saved, tree);
    else if (tree !== await this.#emptyFingerprint(workspace)) {
      throw new BrokenPromise(`${workspace.id} was to be empty and is ${tree}`);
    }
  }

  #edit(workspace: KnownWorkspace): void {
    editTree(this.#node(workspace).workspace(workspace.id), this.#options.random);
    // Whether they are stored by now, or how far, nobody says.
    this.#promises.pendingMayHoldAnything(this.#pending.get(workspace.id) ?? []);
  }

  async #backup(workspace: KnownWorkspace): Promise<void> {
    const tree = await this.#fingerprint(workspace);
    const backup = (options: { deadline?: number }) =>
      this.#call(workspace, "backup", (client) => client.backupWorkspace(workspace.id, options));
    let outcome = await backup(this.#deadline());
    // The first goes on, and a second comes after it: until then the tree must not change.
    if (outcome.kind === "failed" && outcome.error.code === "DEADLINE_EXCEEDED") {
      outcome = await backup({});
    }
    if (outcome.kind === "ok") this.#promises.backupStored(workspace.metaId, tree);
    else this.#promises.backupUncertain(workspace.metaId, tree);
    if (outcome.kind === "failed") await this.#settle(workspace);
  }

  async #snapshot(workspace: KnownWorkspace, returnImmediately: boolean): Promise<void> {
    const tree = await this.#fingerprint(workspace);
    const outcome = await this.#call(
      workspace,
      returnImmediately ? "pending snapshot" : "snapshot",
      (client) => client.takeSnapshot({ id: workspace.id, returnImmediately }),
    );
    if (outcome.kind === "failed") return await this.#settle(workspace);
    this.#promises.snapshotTaken(outcome.value, tree, returnImmediately);
    if (!returnImmediately) return;
    const urls = this.#pending.get(workspace.id) ?? [];
    this.#pending.set(workspace.id, [...urls, outcome.value]);
  }

  async #dispose(workspace: KnownWorkspace, backup: boolean): Promise<void> {
    const tree = await this.#fingerprint(workspace);
    const outcome = await this.#call(
      workspace,
      backup ? "dispose with backup" : "dispose",
      (client) => client.disposeWorkspace({ id: workspace.id, backup }, this.#deadline()),
      ["NOT_FOUND", "DATA_LOSS"],
    );
    const isGone = outcome.kind === "ok" || !await this.#isThere(workspace);
    if (!isGone) {
      if (backup) this.#promises.backupUncertain(workspace.metaId, tree);
      return;
    }
    // A disposal that was to make a backup deletes nothing before that is stored.
    if (backup) this.#promises.backupStored(workspace.metaId, tree);
    // Pending snapshots are finished before anything is deleted.
    for (const url of this.#pending.get(workspace.id) ?? []) this.#promises.snapshotDue(url);
    this.#forget(workspace);
  }

  async #exists(workspace: KnownWorkspace): Promise<void> {
    const outcome = await this.#call(
      workspace,
      "exists",
      (client) => client.isWorkspaceExists(workspace.id),
    );
    if (outcome.kind === "ok" && !outcome.value) {
      throw new BrokenPromise(`${workspace.id} is not known any more`);
    }
  }

  /** Disposes of everything with a backup, then restores all that was promised, on every node. */
  async finish(): Promise<void> {
    for (const workspace of [...this.#workspaces]) {
      for (let tries = 0; this.#workspaces.includes(workspace); tries++) {
        if (tries === 20) throw new BrokenPromise(`${workspace.id} cannot be disposed of`);
        await this.#dispose(workspace, true);
      }
    }
    const wanted: [what: string, saved: SavedTrees, spec: "backup" | "snapshot"][] = [
      ...this.#promises.metaIds.map((it) => [it, this.#promises.backup(it)!, "backup"] as const),
      ...this.#promises.snapshots.map(([url, saved]) => [url, saved, "snapshot"] as const),
    ].map(([what, saved, spec]) => [what, saved, spec]);
    for (const [what, saved, spec] of wanted) await this.#restoreOnce(what, saved, spec);
  }

  async #restoreOnce(what: string, saved: SavedTrees, spec: "backup" | "snapshot"): Promise<void> {
    const { name, random, nodes } = this.#options;
    const workspace = {
      id: `${name}-${++this.#ids}`,
      node: random.whole(0, nodes.length - 1),
      metaId: spec === "backup" ? what : "restored",
    };
    const outcome = await this.#call(
      workspace,
      `last init from ${spec}`,
      (client) =>
        client.initWorkspace({
          id: workspace.id,
          metadata: { owner: name, metaId: workspace.metaId },
          initializer: {
            spec: spec === "backup"
              ? { case: "backup", value: {} }
              : { case: "snapshot", value: { snapshot: what } },
          },
        }),
      ["NOT_FOUND", "FAILED_PRECONDITION"],
    );
    if (outcome.kind === "failed") {
      if (!/There is no (?:snapshot|backup)/.test(outcome.error.message)) throw outcome.error;
      return this.#promises.missing(what, saved);
    }
    this.#promises.restored(what, saved, await this.#fingerprint(workspace));
    const client = await this.#node(workspace).client();
    await client.disposeWorkspace({ id: workspace.id });
  }

  #node({ node }: KnownWorkspace): Node {
    return this.#options.nodes[node]!;
  }

  #forget(workspace: KnownWorkspace): void {
    this.#workspaces.splice(this.#workspaces.indexOf(workspace), 1);
    this.#pending.delete(workspace.id);
  }

  /** Now and then a deadline that passes: the work goes on all the same. */
  #deadline(): { deadline?: number } {
    const { random } = this.#options;
    return random.next() < 0.1 ? { deadline: Date.now() + random.whole(1, 200) } : {};
  }

  async #call<T>(
    workspace: KnownWorkspace,
    what: string,
    call: (client: Awaited<ReturnType<Node["client"]>>) => Promise<T>,
    alsoExpected: readonly string[] = [],
  ): Promise<Outcome<T>> {
    const node = this.#node(workspace);
    const client = await node.client();
    const { log } = this.#options;
    const { kills } = node;
    log(`${workspace.id} on node ${workspace.node}: ${what}`);
    try {
      const value = await call(client);
      log(`${workspace.id}: ${what}: OK`);
      this.#count(what, "OK");
      return { kind: "ok", value };
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      log(`${workspace.id}: ${what}: ${error.code}: ${error.message}`);
      this.#count(what, error.code);
      // What a client makes of a connection that ended differs; there was no answer.
      const isLost = node.kills > kills && ["INTERNAL", "UNKNOWN"].includes(error.code);
      if (isLost || EXPECTED.has(error.code) || alsoExpected.includes(error.code)) {
        return { kind: "failed", error };
      }
      throw error;
    }
  }

  #count(what: string, code: string): void {
    const key = `${what}: ${code}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  /** Waits until nothing of a call that failed runs any more: its workspace is AVAILABLE. */
  async #settle(workspace: KnownWorkspace): Promise<void> {
    if (!await this.#isAvailable(workspace)) {
      throw new BrokenPromise(`${workspace.id} is not AVAILABLE after a call on it failed`);
    }
  }

  /** Whether an init has come to its end well, whoever has seen that. */
  async #isAvailable(workspace: KnownWorkspace): Promise<boolean> {
    return await this.#asked(workspace, async (client) => {
      await client.waitForInit(workspace.id);
      return true;
    });
  }

  /** Whether the daemon knows the workspace once what is under way on it has ended. */
  async #isThere(workspace: KnownWorkspace): Promise<boolean> {
    return await this.#asked(workspace, async (client) => {
      await client.waitForInit(workspace.id);
      return true;
    });
  }

  /** Asks until there is an answer; NOT_FOUND and a failed init are a no. */
  async #asked(
    workspace: KnownWorkspace,
    ask: (client: Awaited<ReturnType<Node["client"]>>) => Promise<boolean>,
  ): Promise<boolean> {
    for (let tries = 0;; tries++) {
      try {
        return await ask(await this.#node(workspace).client());
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (error.code === "NOT_FOUND") return false;
        // Being disposed of: neither there nor gone yet; or an init that failed.
        const isPassing = ["UNAVAILABLE", "INTERNAL", "UNKNOWN"].includes(error.code) ||
          /WRAPPING_UP|there is no initialisation/
            .test(error.message);
        if (!isPassing && error.code === "FAILED_PRECONDITION") return false;
        if (!isPassing || tries > 600) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #fingerprint(workspace: KnownWorkspace): Promise<string> {
    const entries = await readTree(this.#node(workspace).workspace(workspace.id));
    // Which of several names sorts first is no property of the tree; sizes on disk are none either.
    const seen = entries.map(({ data: _, ...entry }) => entry);
    const bytes = new TextEncoder().encode(JSON.stringify(seen));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** What an empty workspace looks like: one entry, whose time alone is its own. */
  async #emptyFingerprint(workspace: KnownWorkspace): Promise<string> {
    const entries = await readTree(this.#node(workspace).workspace(workspace.id));
    if (entries.length !== 1) return "something else";
    return await this.#fingerprint(workspace);
  }
}
