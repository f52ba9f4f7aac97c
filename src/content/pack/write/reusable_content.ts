/** How content that the last image has is found again, so that it is not stored a second time. */

import type { Location, Xattr } from "../../../image/mod.ts";
import type { Stat } from "../../../linux/mod.ts";

/** A file as it was read. */
export interface ContentToFind {
  readonly stat: Stat;
  readonly xattrs: readonly Xattr[];
  /** The SHA-256 digest of its stored bytes. */
  readonly digest: Uint8Array;
  /** Whether the stored bytes begin with a sparse map. */
  readonly isSparse: boolean;
}

/** A place with equal content. */
export interface ContentPlace {
  readonly location: Location;
  /** Whether it belongs to another path, or to the same with other metadata. */
  readonly isDisplaced: boolean;
}

/** Content that the last image has in layers which may be reused. */
export interface ReusableContent {
  /** Returns whether a file of this size, in bytes, may be found. */
  mayHave(size: number): boolean;
  /** Returns where equal content is; `undefined` where none is known. */
  find(content: ContentToFind): ContentPlace | undefined;
}
