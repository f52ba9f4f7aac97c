import { type Block, type ChunkList, KIND } from "../../../image/mod.ts";
import { ENTRY_OVERHEAD } from "../write/layer_writer.ts";
import { DisplacedContent, type EachFile, MovedContent } from "./displaced_content.ts";
import type { HardLinks } from "./hard_links.ts";
import type { EntryRef, EntrySet, MergedTree } from "./merged_tree.ts";
import type { Repacker } from "./repacker.ts";
import type { ReusedFiles } from "./reused_files.ts";

/** Displaced content of fewer bytes in all is stored again, so that the image is one that other tools read. */
const MIN_DISPLACED_BYTES = 1 << 20;

/** The options of {@link packMissing}. */
export interface PackMissingOptions {
  readonly tree: MergedTree;
  readonly links: HardLinks;
  readonly files: ReusedFiles;
  /** The layers and chunk packs of the baseline that are not reused. */
  readonly rewritten: ReadonlySet<number>;
  /** Blocks in which there is neither a displaced file nor a list of chunks. */
  readonly plain: ReadonlySet<Block>;
  /** Further names of packed files. */
  readonly duplicates: EntrySet;
}

/**
 * Packs the live files of rewritten layers, linked files that no part has packed, and displaced ones that
 * are not worth being so. What is gone is removed from the tree.
 */
export function packMissing(repacker: Repacker, options: PackMissingOptions): void {
  const { links, rewritten } = options;
  const packAgain = (entry: EntryRef) => {
    if (!repacker.pack(entry)) links.remove(entry);
  };
  if (rewritten.size > 0) packRewritten(repacker, options, packAgain);
  for (const entry of worthlessDisplaced(options)) packAgain(entry);
  // Last: any of these may have lost the name that had the content of its inode.
  links.packMissing((entry) => repacker.pack(entry));
}

/** Packs the live files of rewritten layers: each content once, by which other entries that have it are displaced. */
function packRewritten(
  repacker: Repacker,
  { tree, files, rewritten }: PackMissingOptions,
  packAgain: (entry: EntryRef) => void,
): void {
  const each: EachFile = (visit) => files.each(visit);
  const displaced = new DisplacedContent(each);
  const moved = new MovedContent();
  each((block, record, directory) => {
    if (!rewritten.has(block.layer(record))) return;
    const isShared = displaced.isShared(block, record);
    const place = isShared ? moved.placeOf(block, record) : undefined;
    const entry = { directory, record };
    if (place) return repacker.displace(entry, place);
    packAgain(entry);
    const change = isShared ? tree.changeOf(entry) : undefined;
    if (change?.kind === "replace") moved.add(block, record, change);
  });
  files.eachChunked((list, entry) => {
    if (usesAny(list, rewritten) && !repacker.moveChunks(entry)) packAgain(entry);
  });
}

/**
 * Returns the displaced files if, without them, other tools could read the image, and all of them are few
 * bytes.
 */
function worthlessDisplaced({ tree, plain, duplicates }: PackMissingOptions): EntryRef[] {
  const displaced: EntryRef[] = [];
  let bytes = 0;
  tree.each((block, record, directory) => {
    if (block.kind(record) !== KIND.file || bytes >= MIN_DISPLACED_BYTES) return;
    const entry = { directory, record };
    if (duplicates.has(directory, record)) return;
    const change = tree.changeOf(entry);
    if (change && change.kind !== "replace") return;
    const { block: now, record: at } = change ?? { block, record };
    if (now.isChunked(at)) bytes = Infinity;
    if (!now.isDisplaced(at)) return;
    displaced.push(entry);
    bytes += now.stored(at) + ENTRY_OVERHEAD;
  }, plain);
  return bytes < MIN_DISPLACED_BYTES ? displaced : [];
}

/** Whether a list has a chunk in one of these packs. */
function usesAny(list: ChunkList, packs: ReadonlySet<number>): boolean {
  for (let n = 0; n < list.count; n++) if (packs.has(list.pack(n))) return true;
  return false;
}
