/** Holds the directories of all parts as one tree, and changes their entries. */

import { compareBytes } from "../../../archive/mod.ts";
import { binarySearch } from "../../../binary_search.ts";
import { Arena, type Block, BlockBuilder, KIND, RECORD } from "../../../image/mod.ts";
import { splitLast } from "../../../linux/mod.ts";

/** An entry: its directory's number in the tree, and the position of its record in the block. */
export interface EntryRef {
  readonly directory: number;
  readonly record: number;
}

/** A set of entries. */
export class EntrySet {
  readonly #records = new Map<number, Set<number>>();

  constructor(entries: readonly EntryRef[]) {
    for (const { directory, record } of entries) {
      const records = this.#records.get(directory);
      if (records) records.add(record);
      else this.#records.set(directory, new Set([record]));
    }
  }

  has(directory: number, record: number): boolean {
    return this.#records.get(directory)?.has(record) ?? false;
  }
}

/** A change of an entry. */
export type Change =
  | { readonly kind: "remove" }
  | { readonly kind: "link"; readonly target: Uint8Array }
  | { readonly kind: "replace"; readonly block: Block; readonly record: number };

/** All directories of a tree. Changes are noted first and applied together, block by block. */
export class MergedTree {
  /** Ordered by path. */
  readonly blocks: Block[];
  /** Their paths: a directory is looked for many times, and each view of its path costs. */
  readonly #paths: Uint8Array[] = [];
  readonly #arena = new Arena();
  readonly #changes = new Map<number, Map<number, Change>>();

  constructor(blocks: Block[]) {
    this.blocks = blocks;
    this.#sort();
  }

  /**
   * Adds directories; a directory that exists gets the entries, and its own record, of the new one.
   */
  add(blocks: readonly Block[]): void {
    const more: Block[] = [];
    for (const block of blocks) {
      const at = this.#indexOf(block.path);
      if (at === undefined) more.push(block);
      else this.blocks[at] = this.#union(this.blocks[at]!, block);
    }
    this.blocks.push(...more);
    this.#sort();
  }

  #sort(): void {
    const sorted = this.blocks.map((block) => ({ block, path: block.path }))
      .sort((a, b) => compareBytes(a.path, b.path));
    sorted.forEach(({ block, path }, n) => {
      this.blocks[n] = block;
      this.#paths[n] = path;
    });
  }

  /**
   * Returns a block with the entries of two that have none in common, and the newer one's own
   * record.
   */
  #union(older: Block, newer: Block): Block {
    const builder = new BlockBuilder(this.#arena);
    builder.begin(newer.path, older.sockets + newer.sockets);
    builder.copy(newer, newer.self);
    let a = older.first;
    let b = newer.first;
    while (a < older.end || b < newer.end) {
      const isOlder = b >= newer.end ||
        a < older.end && compareBytes(older.name(a), newer.name(b)) < 0;
      if (isOlder) {
        builder.copy(older, a);
        a += RECORD;
      } else {
        builder.copy(newer, b);
        b += RECORD;
      }
    }
    return builder.finish();
  }

  /**
   * Calls `visit` for every entry that is not a directory, in the order of the tree, but for those in the
   * blocks of `except`. Not a generator, which would be slow for as many entries as the workspace has files.
   */
  each(
    visit: (block: Block, record: number, directory: number) => void,
    except?: ReadonlySet<Block>,
  ): void {
    for (let directory = 0; directory < this.blocks.length; directory++) {
      const block = this.blocks[directory]!;
      if (except?.has(block)) continue;
      for (let record = block.first, end = block.end; record < end; record += RECORD) {
        visit(block, record, directory);
      }
    }
  }

  /** Notes a change, to be made by {@link apply}. */
  change(entry: EntryRef, change: Change): void {
    const { directory, record } = entry;
    const changes = this.#changes.get(directory) ?? new Map<number, Change>();
    this.#changes.set(directory, changes.set(record, change));
  }

  /** Returns the change that was noted of an entry, if there is one. */
  changeOf({ directory, record }: EntryRef): Change | undefined {
    return this.#changes.get(directory)?.get(record);
  }

  /**
   * Applies the noted changes. References to entries of changed directories are invalid afterwards.
   */
  apply(): void {
    for (const [directory, changes] of this.#changes) {
      this.blocks[directory] = this.#rebuild(this.blocks[directory]!, changes);
    }
    this.#changes.clear();
  }

  #rebuild(block: Block, changes: ReadonlyMap<number, Change>): Block {
    const builder = new BlockBuilder(this.#arena);
    builder.begin(block.path, block.sockets);
    builder.copy(block, block.self);
    const links: number[] = [];
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      const change = changes.get(record);
      if (!change) builder.copy(block, record);
      else if (change.kind === "replace") builder.copy(change.block, change.record);
      else if (change.kind === "link") links.push(builder.copy(block, record, change.target));
    }
    const rebuilt = builder.finish();
    for (const n of links) {
      const record = rebuilt.first + n * RECORD;
      rebuilt.setKind(record, KIND.link);
      rebuilt.setLocation(record, { layer: 0, offset: 0, stored: 0 });
      rebuilt.setFlags(record, 0);
    }
    return rebuilt;
  }

  /** Returns the type of the entry at `path`, one of `KIND`; `undefined` if there is none. */
  kindAt(path: Uint8Array): number | undefined {
    if (this.directory(path)) return KIND.directory;
    const { parent, name } = splitLast(path);
    const block = this.directory(parent);
    return block && kindIn(block, name);
  }

  /** Returns the block of the directory at `path`, if there is one. */
  directory(path: Uint8Array): Block | undefined {
    const at = this.#indexOf(path);
    return at === undefined ? undefined : this.blocks[at];
  }

  /** Returns a function that does as {@link directory}, for paths that come in ascending order. */
  directoriesInOrder(): (path: Uint8Array) => Block | undefined {
    let at = 0;
    return (path) => {
      let order = -1;
      while (at < this.#paths.length && (order = compareBytes(this.#paths[at]!, path)) < 0) at++;
      return order === 0 ? this.blocks[at] : undefined;
    };
  }

  #indexOf(path: Uint8Array): number | undefined {
    return binarySearch(this.#paths.length, (n) => compareBytes(this.#paths[n]!, path));
  }
}

/** Returns the type of a directory's entry that is not a directory itself, one of `KIND`. */
export function kindIn(block: Block, name: Uint8Array): number | undefined {
  const record = block.find(name);
  return record === undefined ? undefined : block.kind(record);
}
