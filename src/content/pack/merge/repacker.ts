/** Gives entries of a merged tree content of their own again, by reading their files once more. */

import { Arena, type Block, BlockBuilder, FLAG, type Location } from "../../../image/mod.ts";
import { type Directory, type File, isErrno, joinPath, SystemError } from "../../../linux/mod.ts";
import { DirectoryCache } from "../../directory_cache.ts";
import type { PartStats } from "../part_stats.ts";
import { addPackedFile } from "../scan/entry_recorder.ts";
import type { FileChunker } from "../write/file_chunker.ts";
import type { FilePacker } from "../write/file_packer.ts";
import type { EntryRef, MergedTree } from "./merged_tree.ts";

/** What a {@link Repacker} reads and writes, all of which stay the caller's. */
export interface RepackerOptions {
  /** The tree that changes are noted in. */
  readonly tree: MergedTree;
  /** The top directory of the files. */
  readonly top: Directory;
  readonly packer: FilePacker;
  readonly chunker: FileChunker;
  readonly stats: PartStats;
  /** Throws if the pack is cancelled. */
  tick(): void;
}

/** Reads files of a tree once more. It holds directories open until it is disposed of. */
export class Repacker implements Disposable {
  readonly #options: RepackerOptions;
  readonly #dirs: DirectoryCache;
  readonly #builder = new BlockBuilder(new Arena());

  constructor(options: RepackerOptions) {
    this.#options = options;
    this.#dirs = new DirectoryCache(options.top);
  }

  [Symbol.dispose](): void {
    this.#dirs[Symbol.dispose]();
  }

  /**
   * Packs the content of one entry, or removes the entry if there is none any more.
   * @returns whether the entry is still the inode that its record describes
   */
  pack(entry: EntryRef): boolean {
    const { tree, packer, stats, tick } = this.#options;
    tick();
    const block = this.#block(entry);
    const name = block.name(entry.record);
    const path = this.#path(entry);
    const dir = this.#openIfThere(block.path);
    const packed = dir ? packer.pack(dir, name, path) : "gone";
    if (typeof packed === "string" || !("location" in packed)) {
      tree.change(entry, { kind: "remove" });
      return false;
    }
    if (packed.unstable) stats.addUnstable(path);
    this.#builder.begin(path);
    addPackedFile(this.#builder, name, packed);
    const own = this.#builder.finish();
    tree.change(entry, { kind: "replace", block: own, record: own.self });
    return own.ino(own.self) === block.ino(entry.record) &&
      own.devMajor(own.self) === block.devMajor(entry.record) &&
      own.devMinor(own.self) === block.devMinor(entry.record);
  }

  /** Gives an entry a place of its content that belongs to another one. */
  displace(entry: EntryRef, place: Location): void {
    const own = this.#copy(entry);
    own.setLocation(own.self, place);
    own.setFlags(own.self, own.flags(own.self) | FLAG.displaced);
    this.#options.tree.change(entry, { kind: "replace", block: own, record: own.self });
  }

  /**
   * Stores those chunks of a file anew that are in packs which are avoided.
   * @returns false if the file has to be read as a whole
   */
  moveChunks(entry: EntryRef): boolean {
    const { tree, chunker, tick } = this.#options;
    const block = this.#block(entry);
    // Where in a sparse file a chunk is only its map tells.
    if (block.flags(entry.record) & FLAG.sparse) return false;
    using file = this.#openFileIfThere(block.path, block.name(entry.record));
    if (!file) return false;
    const list = block.chunks(entry.record);
    const moved = chunker.move(list, (position, into) => {
      tick();
      for (let at = 0, count: number; at < into.length; at += count) {
        count = file.readAt(into.subarray(at), position + at);
        if (count === 0) return;
      }
    });
    if (!moved) return false;
    const own = this.#copy(entry);
    own.chunks(own.self).bytes.set(moved);
    tree.change(entry, { kind: "replace", block: own, record: own.self });
    return true;
  }

  /** Returns a block that has a copy of the entry's record as its own. */
  #copy(entry: EntryRef): Block {
    this.#builder.begin(this.#path(entry));
    this.#builder.copy(this.#block(entry), entry.record);
    return this.#builder.finish();
  }

  #block({ directory }: EntryRef): Block {
    return this.#options.tree.blocks[directory]!;
  }

  #path(entry: EntryRef): Uint8Array {
    const block = this.#block(entry);
    return joinPath(block.path, block.name(entry.record));
  }

  /** Opens a regular file of the tree; `undefined` if it is gone, or cannot be opened without waiting. */
  #openFileIfThere(path: Uint8Array, name: Uint8Array): File | undefined {
    try {
      return this.#openIfThere(path)?.openFile(name);
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  /** Opens a directory of the tree; `undefined` if it is gone, or of another type by now. */
  #openIfThere(path: Uint8Array): Directory | undefined {
    try {
      return this.#dirs.open(path);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
      throw error;
    }
  }
}
