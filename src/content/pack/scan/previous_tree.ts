/** Compares a tree with the one of the previous image, as the baseline describes it. */

import { compareBytes } from "../../../archive/mod.ts";
import type { Digest } from "../../../digest.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { type Block, KIND, RECORD, type StaleEntry } from "../../../image/mod.ts";
import { splitLast } from "../../../linux/mod.ts";
import { PreviousFile } from "./previous_file.ts";

/** Which directories of the baseline some Worker has walked, by their numbers there. */
export interface VisitedDirectories {
  /** Marks a directory as walked. */
  visit(directory: number): void;
  /** Returns whether a directory was walked. */
  hasVisited(directory: number): boolean;
}

/**
 * The previous image's tree: which files it has in layers that may be reused, and which are stale.
 */
export class PreviousTree {
  readonly #baseline: BaselineReader;
  readonly #visited: VisitedDirectories;
  readonly #reusable: readonly boolean[];
  readonly stale: StaleEntry[] = [];

  constructor(baseline: BaselineReader, visited: VisitedDirectories, reuse: ReadonlySet<Digest>) {
    this.#baseline = baseline;
    this.#visited = visited;
    this.#reusable = reusableLayers(baseline, reuse);
  }

  /** Returns the previous directory at `path`, if there was one, and marks it as visited. */
  directory(path: Uint8Array): PreviousDirectory | undefined {
    const found = this.#baseline.find(path);
    if (!found) return undefined;
    this.#visited.visit(found.number);
    return new PreviousDirectory(found.block, this.#reusable, this.stale);
  }

  /** Returns the previous directory of that number, and marks it as visited. */
  directoryAt(number: number): PreviousDirectory {
    this.#visited.visit(number);
    return new PreviousDirectory(this.#baseline.block(number), this.#reusable, this.stale);
  }

  /** Returns the file that the previous image has at `path`, valid until the next call. */
  file(path: Uint8Array): PreviousFile | undefined {
    const { parent, name } = splitLast(path);
    const found = this.#baseline.find(parent);
    const record = found?.block.find(name);
    if (!found || record === undefined) return undefined;
    return new PreviousDirectory(found.block, this.#reusable, this.stale).file(record);
  }

  /** Marks the files of every directory that no Worker has visited as stale. */
  markUnvisitedStale(): void {
    for (let number = 0; number < this.#baseline.directories; number++) {
      if (this.#visited.hasVisited(number)) continue;
      new PreviousDirectory(this.#baseline.block(number), this.#reusable, this.stale).finish();
    }
  }
}

/** Returns which layers of a baseline may be reused: stored data layers. */
export function reusableLayers(baseline: BaselineReader, reuse: ReadonlySet<Digest>): boolean[] {
  return baseline.header.layers.map((layer) =>
    !layer.isMetadata && !layer.isUnused && reuse.has(layer.digest)
  );
}

/** Returns whether all content of a file is in layers that may be reused. */
export function isReusable(block: Block, record: number, reusable: readonly boolean[]): boolean {
  if (!block.isChunked(record)) return reusable[block.layer(record)] === true;
  const list = block.chunks(record);
  for (let n = 0; n < list.count; n++) if (!reusable[list.pack(n)]) return false;
  return true;
}

/** A directory of the previous image, read side by side with the entries that it has now. */
export class PreviousDirectory {
  #at: number;
  /**
   * Called in order for each passed-over entry that this node could not make when it restored it.
   */
  onOmitted: ((record: number) => void) | undefined;

  constructor(
    readonly block: Block,
    private readonly reusable: readonly boolean[],
    private readonly stale: StaleEntry[],
  ) {
    this.#at = block.first;
  }

  /** Returns the record of `name`, if there is one. Names must be asked for in ascending order. */
  find(name: Uint8Array): number | undefined {
    const { block } = this;
    for (; this.#at < block.end; this.#at += RECORD) {
      const order = compareBytes(block.name(this.#at), name);
      if (order === 0) {
        const record = this.#at;
        this.#at += RECORD;
        return record;
      }
      if (order > 0) return undefined;
      this.#passOver(this.#at);
    }
    return undefined;
  }

  /** Returns whether the record is a file whose content is in layers that may be reused. */
  hasContent(record: number): boolean {
    return this.block.kind(record) === KIND.file && isReusable(this.block, record, this.reusable);
  }

  /** Returns a record's file, if its content is in a layer that may be reused. */
  file(record: number): PreviousFile | undefined {
    return this.hasContent(record) ? new PreviousFile(this.block, record) : undefined;
  }

  /** Marks a record's entry in its layer, if that may be reused, as stale. */
  markStale(record: number): void {
    const stale = this.file(record)?.stale();
    if (stale) this.stale.push(stale);
  }

  /** Marks all remaining records as stale: their names are gone. */
  finish(): void {
    for (; this.#at < this.block.end; this.#at += RECORD) this.#passOver(this.#at);
  }

  #passOver(record: number): void {
    if (this.block.isOmitted(record)) this.onOmitted?.(record);
    else this.markStale(record);
  }
}
