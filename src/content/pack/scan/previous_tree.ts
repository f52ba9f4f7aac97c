import { compareBytes } from "../../../archive/mod.ts";
import type { Digest } from "../../../digest.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { type Block, KIND, RECORD, type StaleEntry } from "../../../image/mod.ts";
import { joinPath } from "../../../linux/mod.ts";

/** Which directories of the previous image some Worker has come across; by their numbers there. */
export interface VisitedDirectories {
  visit(directory: number): void;
  hasVisited(directory: number): boolean;
}

/** The previous image's tree, and which of its layers may be used again. */
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

  /** What was known of the directory at `path`, to be asked for its entries in order. */
  directory(path: Uint8Array): PreviousDirectory | undefined {
    const found = this.#baseline.find(path);
    if (!found) return undefined;
    this.#visited.visit(found.number);
    return new PreviousDirectory(found.block, this.#reusable, this.stale);
  }

  /** Counts the files of every directory that no Worker came across as dead. */
  markUnvisitedStale(): void {
    for (let number = 0; number < this.#baseline.directories; number++) {
      if (this.#visited.hasVisited(number)) continue;
      new PreviousDirectory(this.#baseline.block(number), this.#reusable, this.stale).finish();
    }
  }
}

/** Which layers of a baseline may be used again. */
export function reusableLayers(baseline: BaselineReader, reuse: ReadonlySet<Digest>): boolean[] {
  return baseline.header.layers.map((layer) => !layer.isMetadata && reuse.has(layer.digest));
}

/** A directory of the previous image, gone through side by side with what is there now. */
export class PreviousDirectory {
  #at: number;
  /** Called in order for each entry that was passed over because this node could not make it. */
  onOmitted: ((record: number) => void) | undefined;

  constructor(
    readonly block: Block,
    private readonly reusable: readonly boolean[],
    private readonly dead: StaleEntry[],
  ) {
    this.#at = block.first;
  }

  /** The record of `name`, which must come after those asked for before. */
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

  /** Whether the record is a file whose content is in a layer that may be used again. */
  hasContent(record: number): boolean {
    return this.block.kind(record) === KIND.file && this.reusable[this.block.layer(record)]!;
  }

  /** Counts a record's content, if it has any, as dead. */
  markStale(record: number): void {
    if (!this.hasContent(record)) return;
    const path = joinPath(this.block.path, this.block.name(record));
    this.dead.push({ layer: this.block.layer(record), path });
  }

  /** Buries all records that were not asked for. */
  finish(): void {
    for (; this.#at < this.block.end; this.#at += RECORD) this.#passOver(this.#at);
  }

  #passOver(record: number): void {
    if (this.block.isOmitted(record)) this.onOmitted?.(record);
    else this.markStale(record);
  }
}
