import { FLAG, KIND } from "../../../image/mod.ts";
import { joinPath } from "../../../linux/mod.ts";
import type { EntryRef, MergedTree } from "./merged_tree.ts";

interface Group {
  /** The name with the content, or the one that is written first. */
  primary: EntryRef | undefined;
  readonly others: EntryRef[];
}

/** The names of each inode that has, or had, several. */
export class HardLinks {
  readonly #tree: MergedTree;
  readonly #groups = new Map<string, Group>();

  constructor(tree: MergedTree) {
    this.#tree = tree;
    tree.each((block, record, directory) => {
      if (block.flags(record) & FLAG.linked) this.#add({ directory, record });
    });
  }

  /** Files that turn out to be other names of a file with content: their own content is dead. */
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

  /** The name is no longer one of its inode's. */
  remove(entry: EntryRef): void {
    const group = this.#groups.get(this.#key(entry));
    if (group?.primary?.directory !== entry.directory) return;
    if (group.primary.record === entry.record) group.primary = undefined;
  }

  /**
   * Finds a name with content for every inode that has none.
   * @param pack packs a name's content; false where it is gone, or no name of that inode any more
   */
  packMissing(pack: (entry: EntryRef) => boolean): void {
    for (const group of this.#groups.values()) {
      while (!group.primary && group.others.length > 0) {
        const entry = group.others.shift()!;
        if (pack(entry)) group.primary = entry;
      }
    }
  }

  /** Notes for every other name that it is a link to the one with the content. */
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
   * An inode's number may be another's a moment later, so what else tells them apart is in it. A
   * file that grows between two looks loses a link so, and mixes nothing.
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

/** The order of `writeTail`. */
function isWrittenBefore(a: EntryRef, b: EntryRef): boolean {
  return a.directory > b.directory || a.directory === b.directory && a.record < b.record;
}
