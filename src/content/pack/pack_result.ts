/** The options and the result of a pack. */

import type { IndexChain, LayerDescriptor } from "../../image/mod.ts";
import type { SpooledBlob } from "../../spool.ts";
import type { FrozenCopy } from "../bases.ts";
import type { Omissions } from "../omissions.ts";

/** Options of `Content.pack`. */
export interface PackOptions {
  signal?: AbortSignal | undefined;
  /**
   * Layers of the previous image that are certainly still in the store, oldest first. With the
   * baseline they make this pack a delta; unchanged files whose layer is not listed are read again.
   */
  reuse: readonly LayerDescriptor[];
  /** The index of the previous image, if all its blobs are certainly still in the store. */
  reuseIndex?: IndexChain;
  /** Baseline to compare with, if there is one; the new one is written beside it, uncommitted. */
  baseline?: string;
  /** What is left out; nothing unless given. */
  excludes?: PackExcludes;
  /** Files of this size and more are stored as chunks; none unless given. Bytes. */
  chunkMinBytes?: number;
  /** Whether the caller wants the frozen tree, to keep it as a base. */
  keepFrozen?: boolean;
  /**
   * Called as each new layer is complete in the spool, so that it is stored while packing goes on.
   * A rejection fails the pack. The callee owns the spool file.
   */
  onLayer(layer: SpooledBlob & LayerDescriptor): Promise<void>;
  /**
   * Called once a new index is complete in the spool, so that it is stored while the baseline is written;
   * otherwise as {@link onLayer}. Where it is absent, the caller owns the spool file after the pack.
   */
  onIndex?(index: SpooledBlob): Promise<void>;
}

/** What a pack leaves out of a tree. */
export interface PackExcludes {
  /** Whether of a directory with a `CACHEDIR.TAG` only the tag is packed. */
  readonly cacheDirs: boolean;
  /** Whether `.wsdaemonignore` in the tree's top is gone by. */
  readonly ignoreFile: boolean;
  /** Patterns in the syntax of gitignore(5). */
  readonly patterns: readonly string[];
  /** Whether the tree is walked though its file system can tell what has changed in it. */
  readonly mustWalk?: boolean;
}

/** Entries that a pack left out; each with all that is in it. */
export interface Excluded {
  readonly entries: number;
  /** Their paths; at most 10. */
  readonly examples: readonly string[];
}

/** The counts of a pack; sizes are bytes. */
export interface PackStats {
  files: number;
  directories: number;
  otherEntries: number;
  /** Apparent bytes of regular files in the tree. */
  contentBytes: number;
  /** Regular files whose content was read by this pack. */
  filesRead: number;
  bytesRead: number;
  newLayers: number;
  newLayerBytes: number;
  /** Sockets, which no archive can hold. */
  skippedSockets: number;
  /**
   * Paths that changed at each attempt to read them, or whose xattrs could not be listed; at most
   * 100.
   */
  unstable: string[];
  unstableCount: number;
  /** What a process with this one's rights could not restore. */
  unrestorable: Omissions;
  /**
   * Entries that this node could not make when it restored the tree, and that the image retains.
   */
  retainedOmissions: number;
  /** What was left out because it was asked for. */
  excluded: Excluded;
}

/** The image that a pack made. */
export interface PackResult {
  /** All layers of the image, lowest first: reused ones and new ones. */
  layers: LayerDescriptor[];
  /** Whether the layers alone do not give the tree; some content is found by the index only. */
  isNative: boolean;
  /** The index, and what is below it. */
  index: IndexChain;
  /**
   * The newest blob of the index; absent where the index is that of the previous image. The caller owns the
   * file in the spool, unless it took it by `onIndex`.
   */
  newIndex?: SpooledBlob;
  /** Token of the uncommitted new baseline; see `Content.commitBaseline`. */
  newBaseline: string;
  /** Why the baseline of the request could not be used, so that everything was read. */
  baselineProblem?: string;
  /** The state of the tree that the image shows, where its file system tells; see `Content.isUnchanged`. */
  state?: string;
  /** Why the patterns in the tree could not be gone by, so that everything was packed. */
  ignoreFileProblem?: string;
  /** Why the whole tree was walked, though its file system can tell what has changed in it. */
  walkReason?: string;
  /** The frozen tree that was packed, if it was asked for. The caller makes it a base or removes it. */
  frozen?: FrozenCopy;
  /** Why the tree was not frozen while it was packed, though its file system can do that. */
  freezeProblem?: string;
  stats: PackStats;
}
