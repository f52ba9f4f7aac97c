import { binaryString } from "../archive/mod.ts";
import {
  type Block,
  type BlockRecord,
  FLAG,
  KIND,
  type LoadedIndex,
  RECORD,
} from "../image/mod.ts";
import { joinPath, splitLast } from "../linux/mod.ts";
import {
  comparePaths,
  type ImageEntry,
  type ImageEntryType,
  type ImageTree,
} from "./image_tree.ts";

const TYPES = new Map<number, ImageEntryType>([
  [KIND.file, "file"],
  [KIND.directory, "directory"],
  [KIND.symlink, "symlink"],
  [KIND.fifo, "fifo"],
  [KIND.character, "character-device"],
  [KIND.block, "block-device"],
]);

/** The {@link ImageTree} of a checked index. */
export class IndexTree implements ImageTree {
  /** Ordered by {@link comparePaths}. */
  readonly #blocks: readonly Block[];
  readonly #byPath = new Map<string, Block>();
  /** Paths that are the target of a link's record. */
  readonly #linked = new Set<string>();

  /** @throws {RangeError} if a hard link's target does not exist */
  constructor(index: LoadedIndex) {
    this.#blocks = index.blocks.toSorted((a, b) => comparePaths(a.path, b.path));
    for (const block of this.#blocks) this.#byPath.set(binaryString(block.path), block);
    for (const block of this.#blocks) {
      for (let record = block.first; record < block.end; record += RECORD) {
        if (block.kind(record) !== KIND.link) continue;
        this.#target(block.link(record), block.link(record));
        this.#linked.add(binaryString(block.link(record)));
      }
    }
  }

  *entries(): Generator<ImageEntry> {
    /** The first name of each file with several, by the path of its record. */
    const firstNames = new Map<string, Uint8Array>();
    for (const block of this.#blocks) {
      yield entryOf(block, block.self, block.path.slice());
      for (let record = block.first; record < block.end; record += RECORD) {
        yield this.#entry(block, record, firstNames);
      }
    }
  }

  find(path: Uint8Array): ImageEntry | undefined {
    const directory = this.#byPath.get(binaryString(path));
    if (directory) return entryOf(directory, directory.self, path);
    const found = this.#record(path);
    if (!found) return undefined;
    const { block, record } = found;
    return block.kind(record) === KIND.link
      ? this.#target(block.link(record), path)
      : entryOf(block, record, path);
  }

  #entry(block: Block, record: number, firstNames: Map<string, Uint8Array>): ImageEntry {
    const path = joinPath(block.path, block.name(record));
    if (this.#linked.size === 0) return entryOf(block, record, path);
    const targetPath = block.kind(record) === KIND.link ? block.link(record) : path;
    const key = binaryString(targetPath);
    if (!this.#linked.has(key)) return entryOf(block, record, path);
    const target = this.#target(targetPath, path);
    const first = firstNames.get(key);
    if (!first) {
      firstNames.set(key, path);
      return target;
    }
    const { content: _, ...rest } = target;
    return { ...rest, type: "hardlink", link: first };
  }

  /** Returns the entry at `target` with the path `path`. @throws {RangeError} if there is none */
  #target(target: Uint8Array, path: Uint8Array): ImageEntry {
    const found = this.#record(target);
    if (!found || found.block.kind(found.record) === KIND.link) {
      throw new RangeError("a hard link names what is not there");
    }
    return entryOf(found.block, found.record, path);
  }

  /** Returns the record of an entry that is not a directory. */
  #record(path: Uint8Array): BlockRecord | undefined {
    const { parent, name } = splitLast(path);
    const block = this.#byPath.get(binaryString(parent));
    if (!block) return undefined;
    const record = block.find(name);
    return record === undefined ? undefined : { block, record };
  }
}

function entryOf(block: Block, record: number, path: Uint8Array): ImageEntry {
  const kind = block.kind(record);
  const isDevice = kind === KIND.character || kind === KIND.block;
  return {
    path,
    type: TYPES.get(kind)!,
    mode: block.mode(record),
    uid: block.uid(record),
    gid: block.gid(record),
    mtime: block.mtime(record),
    size: kind === KIND.file ? block.size(record) : 0,
    xattrs: block.xattrs(record),
    ...(kind === KIND.symlink ? { link: block.link(record).slice() } : {}),
    ...(isDevice ? { device: { major: block.size(record), minor: block.offset(record) } } : {}),
    ...(kind === KIND.file
      ? {
        content: {
          layer: block.layer(record),
          offset: block.offset(record),
          stored: block.stored(record),
          form: block.flags(record) & FLAG.sparse ? "mapped" : "plain",
          ...(block.isChunked(record) ? { chunks: block.chunks(record) } : {}),
        },
      }
      : {}),
  };
}
