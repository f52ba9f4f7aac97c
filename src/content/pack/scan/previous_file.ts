/** A file of the last image, beside which the same path is packed again. */

import { type Block, encodeXattrs, FLAG, KIND, type StaleEntry } from "../../../image/mod.ts";
import { joinPath, sameName } from "../../../linux/mod.ts";
import type { ContentPlace, ContentToFind, ReusableContent } from "../write/reusable_content.ts";

/** A record of the last image whose content is in a layer that may be reused. */
export class PreviousFile {
  constructor(private readonly block: Block, private readonly record: number) {}

  /** Returns the place of the record's content if `content` is equal. */
  find(content: ContentToFind): ContentPlace | undefined {
    const { block, record } = this;
    if (!hasContent(block, record, content)) return undefined;
    const isDisplaced = block.isDisplaced(record) || !this.#hasMetadata(content);
    return { location: locationOf(block, record), isDisplaced };
  }

  /** Returns whether a file of this size may have the record's content. */
  mayHave(size: number): boolean {
    return this.block.size(this.record) === size && this.block.digest(this.record) !== undefined;
  }

  /** Returns what of its layer becomes stale once another place has the path's content, if anything does. */
  stale(): StaleEntry | undefined {
    const { block, record } = this;
    // What belongs to another path became stale when that path lost it; packs of chunks know no paths.
    if (block.isDisplaced(record) || block.isChunked(record)) return undefined;
    return { layer: block.layer(record), path: joinPath(block.path, block.name(record)) };
  }

  /** Compares what the entry in the layer has besides content. */
  #hasMetadata({ stat, xattrs }: ContentToFind): boolean {
    const { block, record } = this;
    const { sec, nsec } = block.mtime(record);
    return block.mode(record) === stat.permissions &&
      block.uid(record) === stat.uid && block.gid(record) === stat.gid &&
      sec === stat.mtime.sec && nsec === stat.mtime.nsec &&
      sameName(block.xattrBytes(record), encodeXattrs(xattrs));
  }
}

/** Returns whether the stored bytes of a record are those of `content`. */
export function hasContent(block: Block, record: number, content: ContentToFind): boolean {
  const digest = block.digest(record);
  return digest !== undefined && block.kind(record) === KIND.file &&
    block.size(record) === content.stat.size &&
    ((block.flags(record) & FLAG.sparse) !== 0) === content.isSparse &&
    sameName(digest, content.digest);
}

/** Returns where the content of a record is. */
export function locationOf(block: Block, record: number) {
  return {
    layer: block.layer(record),
    offset: block.offset(record),
    stored: block.stored(record),
  };
}

/** Looks for content at the same path first, then everywhere. */
export class PathFirst implements ReusableContent {
  constructor(
    private readonly previous: PreviousFile | undefined,
    private readonly known: ReusableContent,
  ) {}

  mayHave(size: number): boolean {
    return this.previous?.mayHave(size) || this.known.mayHave(size);
  }

  find(content: ContentToFind): ContentPlace | undefined {
    return this.previous?.find(content) ?? this.known.find(content);
  }
}
