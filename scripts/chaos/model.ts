/**
 * What each acknowledged answer has promised, as sets of permitted trees.
 *
 * A tree is known by a fingerprint of everything that `readTree` sees of it. A call that was
 * acknowledged leaves one permitted outcome; one that failed, or whose answer was lost with the daemon,
 * leaves the old and the new. What is then found must be one of them, and is the only one from there on.
 */

/** A workspace as its client knows it. */
export interface KnownWorkspace {
  id: string;
  node: number;
  metaId: string;
  /** How often its node's disk had lost what was not synced when that was last looked at. */
  powerCuts: number;
  /** Its tree as its init left it; absent once it was edited. */
  fresh?: string;
}

/** A saved image: which trees restoring it may give; absent trees mean that it may be missing. */
export interface SavedTrees {
  permitted: Set<string>;
  /** Whether it may not be there at all: nothing about it was ever acknowledged. */
  mayBeMissing: boolean;
  /** Whether any tree will do, having been read while it changed. */
  isAny?: boolean;
}

/** Thrown where the daemon broke a promise. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** The promises made to one client. */
export class Promises {
  /** The backup of each meta_id. */
  readonly #backups = new Map<string, SavedTrees>();
  /** Snapshots by name. */
  readonly #snapshots = new Map<string, SavedTrees>();

  /** Notes that a backup of `tree` was acknowledged: from now on it is the only one. */
  backupStored(metaId: string, tree: string): void {
    this.#backups.set(metaId, { permitted: new Set([tree]), mayBeMissing: false });
  }

  /** Notes that a backup of `tree` may have been stored, or not. */
  backupUncertain(metaId: string, tree: string): void {
    const known = this.#backups.get(metaId);
    if (known) known.permitted.add(tree);
    else this.#backups.set(metaId, { permitted: new Set([tree]), mayBeMissing: true });
  }

  /** Notes a snapshot; a pending one may be missing until it is stored. */
  snapshotTaken(url: string, tree: string, isPending: boolean): void {
    this.#snapshots.set(url, { permitted: new Set([tree]), mayBeMissing: isPending });
  }

  /** Notes that pending snapshots may have been read while the tree changed. */
  pendingMayHoldAnything(urls: readonly string[]): void {
    for (const url of urls) {
      const known = this.#snapshots.get(url);
      if (known?.mayBeMissing) known.isAny = true;
    }
  }

  /** Notes that a snapshot was taken of a tree that lost what was not synced. */
  mayHoldAnything(url: string): void {
    const known = this.#snapshots.get(url);
    if (known) known.isAny = true;
  }

  /** Notes the same of a backup. */
  backupMayHoldAnything(metaId: string): void {
    const known = this.#backups.get(metaId);
    if (known) known.isAny = true;
  }

  /** Notes that a pending snapshot must be stored by now. */
  snapshotDue(url: string): void {
    const known = this.#snapshots.get(url);
    if (known) known.mayBeMissing = false;
  }

  backup(metaId: string): SavedTrees | undefined {
    return this.#backups.get(metaId);
  }

  get metaIds(): string[] {
    return [...this.#backups.keys()];
  }

  get snapshots(): [url: string, saved: SavedTrees][] {
    return [...this.#snapshots];
  }

  /**
   * Compares what a restore gave with what is permitted, which is that alone from now on.
   * @throws {BrokenPromise}
   */
  restored(what: string, saved: SavedTrees, tree: string): void {
    if (!saved.isAny && !saved.permitted.has(tree)) {
      throw new BrokenPromise(
        `${what} restored as ${tree}, which none of ${[...saved.permitted].join(", ")} is`,
      );
    }
    saved.permitted = new Set([tree]);
    saved.mayBeMissing = false;
    saved.isAny = false;
  }

  /** Notes that there is nothing to restore. @throws {BrokenPromise} where something was promised */
  missing(what: string, saved: SavedTrees): void {
    if (!saved.mayBeMissing) throw new BrokenPromise(`${what} is missing, which was acknowledged`);
  }
}
