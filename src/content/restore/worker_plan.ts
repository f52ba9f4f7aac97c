/** The part of a restore's plan that the Workers share, and how each reads it. */

import type { Digest } from "../../digest.ts";
import { Block, type BlockRecord, Memory } from "../../image/mod.ts";

/** Neighbouring files of one layer, which one request restores. */
export interface FileUnit {
  readonly layer: number;
  /** The files `[start, end)` of {@link SharedPlan.files}. */
  readonly start: number;
  readonly end: number;
}

/** The directories `[start, end)`, which one request makes or finishes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The index and where its records are, in memory that all Workers share. Steps write inodes into the
 * records; no two steps that run at the same time write to the same one.
 */
export interface SharedPlan {
  /** Digest of the index, for messages. */
  readonly indexDigest: Digest;
  /** The uncompressed index. */
  readonly index: ArrayBufferLike;
  /** Uint32: where each directory's block begins in it, in the order of their paths. */
  readonly blocks: ArrayBufferLike;
  /** Uint32 pairs, ordered by layer and offset in it: a directory's number, a record's position. */
  readonly files: ArrayBufferLike;
}

/** A plan as a Worker reads it. */
export class WorkerPlan {
  readonly #memory: Memory;
  readonly #blocks: Uint32Array;
  readonly #files: Uint32Array;

  constructor(plan: Pick<SharedPlan, "index" | "blocks" | "files">) {
    this.#memory = new Memory(plan.index);
    this.#blocks = new Uint32Array(plan.blocks);
    this.#files = new Uint32Array(plan.files);
  }

  /** How many directories there are; they are numbered from 0. */
  get directories(): number {
    return this.#blocks.length;
  }

  /** Returns the block of a directory. */
  block(directory: number): Block {
    return new Block(this.#memory, this.#blocks[directory]!);
  }

  /** Returns the record of file `n`. */
  file(n: number): BlockRecord {
    return { block: this.block(this.#files[2 * n]!), record: this.#files[2 * n + 1]! };
  }
}
