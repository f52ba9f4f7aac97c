import { type Block, type ChunkList, KIND, TEMPORARY_LAYER } from "../../../image/mod.ts";
import type { EntryRef, EntrySet, MergedTree } from "./merged_tree.ts";

/** What {@link ReusedFiles} goes through. */
export interface ReusedFilesOptions {
  readonly tree: MergedTree;
  /** Blocks of the baseline with nothing but whole files in places of their own. */
  readonly plain: ReadonlySet<Block>;
  /** Further names of packed files, which are passed over. */
  readonly duplicates: EntrySet;
}

/** The files of a merged tree whose content may be the baseline's. */
export class ReusedFiles {
  readonly #options: ReusedFilesOptions;

  constructor(options: ReusedFilesOptions) {
    this.#options = options;
  }

  /** Calls `visit` for every file whose content is in a layer of the baseline, but for those in `except`. */
  each(
    visit: (block: Block, record: number, directory: number) => void,
    except?: ReadonlySet<Block>,
  ): void {
    const { tree, duplicates } = this.#options;
    tree.each((block, record, directory) => {
      const isFile = block.kind(record) === KIND.file;
      if (!isFile || block.layer(record) >= TEMPORARY_LAYER.first) return;
      if (!duplicates.has(directory, record)) visit(block, record, directory);
    }, except);
  }

  /** Calls `visit` for every file that is a list of chunks. */
  eachChunked(visit: (list: ChunkList, entry: EntryRef) => void): void {
    const { tree, plain, duplicates } = this.#options;
    tree.each((block, record, directory) => {
      if (block.kind(record) !== KIND.file || !block.isChunked(record)) return;
      if (!duplicates.has(directory, record)) visit(block.chunks(record), { directory, record });
    }, plain);
  }
}
