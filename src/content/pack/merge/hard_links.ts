/**
 * Finds one name with content for each inode that has several, and makes the others links to it.
 */

import { type Block, FLAG, KIND } from "../../../image/mod.ts";
import { joinPath } from "../../../linux/mod.ts";
import type { EntryRef, MergedTree } from "./merged_tree.ts";

/** The names of one inode. */
interface Group {
  /** The name with the content; of an inode without content, the one that is written first. */
  primary: EntryRef | undefined;
  readonly others: EntryRef[];
}

/** The names of every inode that has, or had, several. */
export class HardLinks {
  readonly #tree: MergedTree;
  readonly #groups = new Map<string, Group>();

  /** @param without blocks in which no inode has several names */
  constructor(tree: MergedTree, without?: ReadonlySet<Block>) {
    this.#tree = tree;
    tree.each((block, record, directory) => {
      if (block.flags(record) & FLAG.linked) this.#add({ directory, record });
    }, without);
  }

  /** Returns packed files that are further names of a packed file: their own content is stale. */
  duplicates(): EntryRef[] {
    const entries: EntryRef[] = [];
    for (const { others } of this.#groups.values()) {
      for (const entry of others) {
        if (this.#tree.blocks[entry.directory]!.kind(entry.record) === KIND.file) {
          entries.push(entry);
        }
      }
    }
    return entries;
  }

  /** Notes that a name does not belong to its inode any more. */
  remove(entry: EntryRef): void {
    const group = this.#groups.get(this.#key(entry));
    if (group?.primary?.directory !== entry.directory) return;
    if (group.primary.record === entry.record) group.primary = undefined;
  }

  /**
   * Packs the content of every inode of which no name has any.
   * @param pack packs a name's content; returns false if the name is gone or another inode's
   */
  packMissing(pack: (entry: EntryRef) => boolean): void {
    for (const group of this.#groups.values()) {
      while (!group.primary && group.others.length > 0) {
        const entry = group.others.shift()!;
        if (pack(entry)) group.primary = entry;
      }
    }
  }

  /** Changes every other name, in the tree, into a link to the name with the content. */
  resolve(): void {
    for (const { primary, others } of this.#groups.values()) {
      if (!primary) continue;
      const block = this.#tree.blocks[primary.directory]!;
      const target = joinPath(block.path, block.name(primary.record));
      for (const entry of others) this.#tree.change(entry, { kind: "link", target });
    }
  }

  #add(entry: EntryRef): void {
    const key = this.#key(entry);
    let group = this.#groups.get(key);
    if (!group) this.#groups.set(key, group = { primary: undefined, others: [] });
    const kind = this.#tree.blocks[entry.directory]!.kind(entry.record);
    const { primary } = group;
    const isFirst = kind === KIND.file
      ? !primary
      : kind !== KIND.link && (!primary || isWrittenBefore(entry, primary));
    if (isFirst) group.primary = entry;
    const other = isFirst ? primary : entry;
    if (other) group.others.push(other);
  }

  /**
   * Returns what identifies an inode. Its number may be reused a moment later, so that size and
   * mtime are part of it: a file that grows between two names becomes two files, and no content is
   * mixed.
   */
  #key({ directory, record }: EntryRef): string {
    const block = this.#tree.blocks[directory]!;
    const kind = block.kind(record);
    const inode = `${block.ino(record)}:${block.devMajor(record)}:${block.devMinor(record)}`;
    if (kind === KIND.file || kind === KIND.link) {
      const { sec, nsec } = block.mtime(record);
      return `${inode}:${block.size(record)}:${sec}:${nsec}`;
    }
    return `${inode}:${kind}:${block.link(record).join()}`;
  }
}

/** Returns whether `writeMetadataLayer` writes `a` before `b`. */
function isWrittenBefore(a: EntryRef, b: EntryRef): boolean {
  return a.directory > b.directory || a.directory === b.directory && a.record < b.record;
}
