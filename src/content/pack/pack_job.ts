/** The messages between the daemon's thread and the Workers of a pack. */

import type { Digest } from "../../digest.ts";
import type { IndexChain } from "../../image/mod.ts";
import type { DeviceName } from "../../linux/mod.ts";
import type { SpooledBlob } from "../../spool.ts";
import type { Tree } from "../tree.ts";
import type { DeviceAlias } from "../volume/device_names.ts";
import type { ExcludeRules } from "./exclude/exclude_rules.ts";
import type { PartTotals } from "./part_stats.ts";
import type { RevisitPlan } from "./revisit/revisit_plan.ts";
import type { StoredSegment } from "./write/file_segment.ts";
import type { Remainder, SealedLayer } from "./write/layer_writer.ts";

/** The part of a request that is the same for all parts of a pack. */
export interface PackJob {
  readonly tree: Tree;
  /** Prefix of the names of the pack's spool files. */
  readonly name: string;
  /** The number of parts, one a Worker that does long work. */
  readonly parts: number;
  /** Name of the verified baseline, if there is one. */
  readonly baseline?: string;
  /** The verified baseline, if Workers share it. */
  readonly baselineMemory?: SharedArrayBuffer;
  /** The index of the baseline's image, if all of it is still stored. */
  readonly index?: IndexChain;
  /** Layers of the baseline that are still stored. */
  readonly reuse: readonly Digest[];
  /** Milliseconds since the epoch; a ctime close to it or later is racy. */
  readonly syncedAt: number;
  /** Whether the tree is frozen: then no page of it is dirty, and `syncedAt` is when it was frozen. */
  readonly isFrozen: boolean;
  /** The names of devices in baselines. */
  readonly devices: readonly DeviceName[];
  /** The aliases of the new baseline: why some devices are called as they are. */
  readonly aliases: readonly DeviceAlias[];
  /** The state of the frozen tree, for the new baseline. */
  readonly state?: string;
  /** What is looked at; absent if the whole tree is walked. */
  readonly revisit?: RevisitPlan;
  /** What is left out; absent for nothing. */
  readonly excludes?: ExcludeRules;
  /** Files of this size and more are stored as chunks; absent for none. */
  readonly chunkMinBytes?: number;
  /** Memory of a `SharedPackState`. */
  readonly shared: SharedArrayBuffer;
}

/** The request for one part. */
export interface PartRequest {
  readonly job: PackJob;
  /** From 0. */
  readonly part: number;
}

/**
 * Large files that a part packed: for each key a block in the arena, in the same order, whose
 * record of itself is the file's.
 */
export interface LargeFileResults {
  readonly keys: number[];
  readonly arena: ArrayBuffer[];
  /** Of those keys that have it: which chunks of the file other parts have stored. */
  readonly shared: ReadonlyMap<number, SharedChunks>;
  /** Segments of files that this part stored, whoever cut them. */
  readonly segments: readonly StoredSegment[];
}

/** Chunks of a file that are in segments. */
export interface SharedChunks {
  readonly id: number;
  /** How many. */
  readonly chunks: number;
}

/** The result of a part, besides the layers that it has announced. */
export interface PartResult {
  /** Blocks of the directories that it walked. */
  readonly arena: ArrayBuffer[];
  readonly stale: { readonly count: number; readonly bytes: Uint8Array };
  readonly largeFiles: LargeFileResults;
  /** A last layer too small to be sealed; the merge appends it to its own. */
  readonly remainder?: Remainder;
  /** Paths of directories that changed, or were removed, after this part walked them. */
  readonly changed: readonly Uint8Array[];
  /** The number of items that it has done. */
  readonly items: number;
  readonly totals: PartTotals;
}

/** The events of a part. */
export type PartEvent =
  | { readonly kind: "layer"; readonly layer: SealedLayer }
  /** The index is complete, if there is a new one, and nothing of the tree is read any more. */
  | { readonly kind: "index"; readonly index?: SpooledBlob }
  /** There is enough work for the other parts. */
  | { readonly kind: "help" }
  /** The last event. An event, so that its buffers are moved rather than copied. */
  | { readonly kind: "result"; readonly result: PartResult };

/** Returns the buffers of a result that are moved with it rather than copied. */
export function transferables({ arena, largeFiles }: PartResult): ArrayBuffer[] {
  return [...arena, ...largeFiles.arena];
}
