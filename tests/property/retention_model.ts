/** What a store is to keep by its policies, worked out apart from the code that keeps it. */

import type { Digest } from "../../src/digest.ts";
import type { WorkspaceIdentity } from "../../src/snapshot/images.ts";
import type { Lineage } from "../../src/snapshot/lineage.ts";

const HOUR = 3600_000;

/** What is kept. */
export interface Policy {
  /** The newest backups. */
  readonly last: number;
  /** Backups of so many hours before the newest one; 0 for none. */
  readonly withinHours: number;
  /** Hours that snapshots stay after they were made or used last; 0 for ever. */
  readonly ttlHours: number;
}

interface KeptImage {
  readonly manifest: Digest;
  readonly createdAt: number;
}

/** The backups and snapshots of a store that only this test uses. */
export class RetentionModel {
  readonly #backups = new Map<string, KeptImage[]>();
  readonly #snapshots = new Map<string, KeptImage>();
  readonly #lineages = new Map<Digest, Lineage>();
  readonly #uses = new Map<Digest, number>();

  /** Adds a backup, the newest of its identity, and lets go what the policy does not keep. */
  addBackup(
    identity: WorkspaceIdentity,
    manifest: Digest,
    { lineage, policy, now }: { lineage: Lineage; policy: Policy; now: number },
  ): void {
    this.#know(manifest, lineage);
    const name = `${identity.owner}/${identity.metaId}`;
    const earlier = (this.#backups.get(name) ?? []).filter((image) => image.manifest !== manifest);
    this.#backups.set(name, this.#kept([{ manifest, createdAt: now }, ...earlier], policy, now));
  }

  addSnapshot(url: string, manifest: Digest, lineage: Lineage, now: number): void {
    this.#know(manifest, lineage);
    this.#snapshots.set(url, { manifest, createdAt: now });
  }

  use(manifest: Digest, now: number): void {
    this.#uses.set(manifest, now);
  }

  forget(policy: Policy, now: number): void {
    for (const [name, history] of this.#backups) {
      this.#backups.set(name, this.#kept(history, policy, now));
    }
    if (policy.ttlHours === 0) return;
    for (const [url, { manifest, createdAt }] of this.#snapshots) {
      const since = Math.max(createdAt, this.#uses.get(manifest) ?? -Infinity);
      if (now - since > policy.ttlHours * HOUR) this.#snapshots.delete(url);
    }
  }

  /** Returns everything that is kept: manifests by the urls that restore them. */
  images(): Map<string, Digest> {
    const images = new Map<string, Digest>();
    for (const [name, history] of this.#backups) {
      for (const { manifest } of history) {
        images.set(`wsdaemon:backup/${name}@${manifest}`, manifest);
      }
    }
    for (const [url, { manifest }] of this.#snapshots) images.set(url, manifest);
    return images;
  }

  /** An image that a fork has saved before it changed is one of the lineage that it came from. */
  #know(manifest: Digest, lineage: Lineage): void {
    if (!this.#lineages.has(manifest)) this.#lineages.set(manifest, lineage);
  }

  #kept(history: readonly KeptImage[], policy: Policy, now: number): KeptImage[] {
    const { last, withinHours } = policy;
    const lineageOf = ({ manifest }: KeptImage) => this.#lineages.get(manifest)!;
    const newest = Math.max(...history.map((image) => image.createdAt).filter((at) => at <= now));
    const begin = newest - withinHours * HOUR;
    return history.filter((image, n) => {
      const { id } = lineageOf(image);
      const isHead = history.findIndex((one) => lineageOf(one).id === id) === n &&
        history.every((one) => lineageOf(one).base !== image.manifest);
      return n < last || isHead || withinHours > 0 && image.createdAt > begin;
    });
  }
}
