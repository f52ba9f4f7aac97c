/** The backups of identities: adds to their histories by the rules, and tells what they hold already. */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore, StoreOptions } from "../store/mod.ts";
import { addBackup, describeOthers } from "./add_backup.ts";
import { changeHistory } from "./history.ts";
import type { OtherLineages, WorkspaceIdentity } from "./images.ts";
import type { KnownLineages } from "./known_lineages.ts";
import { type ImageReference, storedAt } from "./references.ts";
import { findReference, type FoundReference } from "./references_scan.ts";
import { headsOf, type HistoryImage, type RetentionRules } from "./retained_images.ts";
import { backupKey, backupUrl, isReferenceKey, snapshotPrefix } from "./snapshot_names.ts";

/** Options of {@link Backups}. */
export interface BackupsOptions {
  store: ObjectStore;
  /** Which backups of one (owner, meta_id) are kept; of several rules, what any of them keeps. */
  retention: RetentionRules | (() => readonly RetentionRules[]);
}

/** An image of a workspace's tree that is to be a backup. */
export interface BackupImage {
  image: HistoryImage;
  /** Whether it is of the lineage that the tree was forked from, and not of the tree's own. */
  isFork: boolean;
  /** Digests of the layers that the tree was last saved as or restored from, lowest first. */
  previousLayers: readonly Digest[];
  /** Whether it is refused where the identity has a backup. */
  mustBeFirst?: boolean | undefined;
}

/** What became of a backup. */
export interface AddedImage {
  /** False where the image is of the lineage that the tree was forked from, and not the latest of all. */
  isAdded: boolean;
  /** Absent where it met nothing of other lineages. */
  otherLineages?: OtherLineages | undefined;
}

/** Adds backups to histories in a store. */
export class Backups {
  readonly #store: ObjectStore;
  readonly #retention: BackupsOptions["retention"];
  readonly #lineages: KnownLineages;

  /** @param lineages of images; what is found out of them is added */
  constructor({ store, retention }: BackupsOptions, lineages: KnownLineages) {
    this.#store = store;
    this.#retention = retention;
    this.#lineages = lineages;
  }

  /**
   * Makes an image the identity's latest backup, and lets go what the rules do not keep.
   * @throws {DaemonError} DATA_LOSS where the reference that is there cannot be read; ALREADY_EXISTS where it
   * must be the first and is not; what the store throws
   */
  async add(
    identity: WorkspaceIdentity,
    { image, isFork, previousLayers, mustBeFirst = false }: BackupImage,
    { signal }: StoreOptions,
  ): Promise<AddedImage> {
    const retention = this.#retention;
    const rules = typeof retention === "function" ? retention() : [retention].flat();
    const now = await this.#timeFor(rules, image, signal);
    let otherLineages: OtherLineages | undefined;
    const isAdded = await changeHistory(this.#store, {
      key: backupKey(identity),
      identity,
      adds: image.manifest,
      lineages: this.#lineages,
      change: (earlier) => {
        const other = earlier.find(({ manifest }) => manifest !== image.manifest);
        if (mustBeFirst && other) throw alreadyBackedUp(identity, other.manifest);
        // Of the lineage that the tree was forked from there may be a later backup by now.
        if (isFork && earlier[0]?.manifest !== image.manifest) return undefined;
        const added = addBackup(image, earlier, { previousLayers, rules, now });
        otherLineages = describeOthers(identity, added) ?? otherLineages;
        return added.images;
      },
      signal,
    });
    return { isAdded, otherLineages };
  }

  /**
   * Returns the time after which an image is of the future. Where rules count from the newest image, it is
   * the store's: a node whose clock is ahead would let everybody else's images go.
   */
  async #timeFor(
    rules: readonly RetentionRules[],
    { createdAt }: HistoryImage,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const isNeeded = rules.some(({ keep }) => keep?.within !== undefined);
    return isNeeded ? await this.#store.now({ signal }) : createdAt;
  }

  /**
   * Returns whether the identity's backups have all that an image holds, or what goes on from it. Of an
   * image that the tree was forked from, a backup of the same lineage is taken to go on from it, unless the
   * image is of a snapshot that is newer: were that not certain, a save of the fork would take the place of
   * a newer backup as the latest one.
   */
  async hold(
    identity: WorkspaceIdentity,
    { image: { manifest, lineage }, isFork }: BackupImage,
    { signal }: StoreOptions,
  ): Promise<boolean> {
    const found = await findReference(this.#store, backupKey(identity), { identity, signal });
    if (!found) return false;
    const history = await this.#lineages.describe(this.#store, found.images, signal);
    if (!isFork) return headsOf(history).some((head) => head.manifest === manifest);
    if (history.some((image) => image.manifest === manifest)) return true;
    // That two images are of unknown lineage says nothing of either.
    const last = lineage && history.find((image) => image.lineage?.id === lineage.id);
    return last !== undefined && !await this.#isSnapshotSince(identity, last, manifest, signal);
  }

  /**
   * Returns whether an image is of a snapshot that was surely taken after a backup: its own time says so, and
   * the store's says that it was stored after all backups of the identity.
   */
  async #isSnapshotSince(
    identity: WorkspaceIdentity,
    backup: HistoryImage,
    manifest: Digest,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const backedUpAt = await storedAt(this.#store, backupKey(identity), { signal }) ?? Infinity;
    for await (const { key, modified } of this.#store.list(snapshotPrefix(identity), { signal })) {
      if (modified <= backedUpAt || !isReferenceKey(key)) continue;
      const found = await this.#findReadable(key, identity, signal);
      const isSince = ({ manifest: its, createdAt }: ImageReference) =>
        its === manifest && createdAt > backup.createdAt;
      if (found?.images.some(isSince)) return true;
    }
    return false;
  }

  /** Reads a reference; one that is damaged is none: it must not stop the saves of others. */
  async #findReadable(
    key: string,
    identity: WorkspaceIdentity,
    signal: AbortSignal | undefined,
  ): Promise<FoundReference | undefined> {
    try {
      return await findReference(this.#store, key, { identity, signal });
    } catch (error) {
      if (error instanceof DaemonError && error.code === "DATA_LOSS") return undefined;
      throw error;
    }
  }
}

/** Returns the refusal of a first backup where there is one. */
export function alreadyBackedUp(identity: WorkspaceIdentity, latest: Digest): DaemonError {
  return new DaemonError(
    "ALREADY_EXISTS",
    `${identity.owner}/${identity.metaId} has a backup already (${backupUrl(identity, latest)})`,
  );
}
