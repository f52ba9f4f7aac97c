import type { BaseFacts, BaseRecord } from "../content/mod.ts";

/** A base, as the cache knows it. */
export interface CachedBase {
  readonly id: string;
  facts: BaseFacts;
  /** What it takes on disk at most, in bytes, where that is known before it is measured. */
  atMostBytes?: number;
  /** How many are using it, or about to: it stays for as long. */
  users: number;
}

/** The bases that are there, from the one that was used longest ago to the one used last. */
export class BaseIndex {
  readonly #bases = new Map<string, CachedBase>();

  /** Replaces what is known by what was found. */
  fill(records: readonly BaseRecord[]): void {
    this.#bases.clear();
    for (const { id, usedAt: _, ...facts } of records.toSorted((a, b) => a.usedAt - b.usedAt)) {
      this.#bases.set(id, { id, facts, users: 0 });
    }
  }

  /** Adds a base as the one that was used last. */
  add(id: string, facts: BaseFacts): CachedBase {
    const base: CachedBase = { id, facts, users: 0 };
    this.#bases.set(id, base);
    return base;
  }

  /** Returns a base, which counts as used now. */
  use(id: string): CachedBase | undefined {
    const base = this.#bases.get(id);
    if (!base) return undefined;
    this.#bases.delete(id);
    this.#bases.set(id, base);
    return base;
  }

  has(id: string): boolean {
    return this.#bases.has(id);
  }

  remove(id: string): void {
    this.#bases.delete(id);
  }

  /** The base that was used longest ago of those that nobody is cloning. */
  get oldest(): CachedBase | undefined {
    return this.#bases.values().find(({ users }) => users === 0);
  }

  /** How many there are, and the bytes that they take as if they shared nothing. */
  get totals(): { count: number; bytes: number } {
    const bytes = this.#bases.values()
      .reduce((sum, { facts }) => sum + (facts.diskBytes ?? facts.contentBytes), 0);
    return { count: this.#bases.size, bytes };
  }
}
