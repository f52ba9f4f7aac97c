/** Counts what a part of a pack finds and reads. */

import { displayName } from "../../linux/mod.ts";
import { type Block, KIND } from "../../image/mod.ts";
import type { OmissionKind } from "../omissions.ts";
import type { PackStats } from "./pack_result.ts";
import { OmissionLog, sumOmissions } from "../omissions.ts";

/** The most unstable paths that are named. */
const MAX_NAMED = 100;
/** The most paths that were left out that are named, and the bytes of each. */
const MAX_EXCLUDED_NAMED = 10;
const MAX_PATH_SHOWN = 200;

/** The counters of one part; see `PackStats` for their meaning. */
export class PartStats {
  files = 0;
  directories = 0;
  otherEntries = 0;
  contentBytes = 0;
  skippedSockets = 0;
  unstableCount = 0;
  retainedOmissions = 0;
  readonly unstable: string[] = [];
  readonly #unrestorable = new OmissionLog();
  #excluded = 0;
  readonly #excludedExamples: string[] = [];

  addFile(size: number): void {
    this.files++;
    this.contentBytes += size;
  }

  /** Counts an entry that is taken over, by its record. */
  addRecord(block: Block, record: number): void {
    const kind = block.kind(record);
    if (kind === KIND.file || kind === KIND.link) this.addFile(block.size(record));
    else this.otherEntries++;
  }

  /** Counts sockets, which no archive can hold. */
  addSockets(count: number): void {
    this.skippedSockets += count;
  }

  /** Counts a path that changed at each attempt to read it. */
  addUnstable(path: Uint8Array): void {
    this.unstableCount++;
    if (this.unstable.length < MAX_NAMED) this.unstable.push(displayName(path));
  }

  /**
   * Counts an entry that this node could not make when it restored the tree, and that is retained.
   */
  addRetainedOmission(): void {
    this.otherEntries++;
    this.retainedOmissions++;
  }

  /** Counts what a process with the rights of this one could not restore. */
  addUnrestorable(kind: OmissionKind, path: Uint8Array): void {
    this.#unrestorable.add(kind, path);
  }

  /** Counts an entry that is left out, with all that is in it. */
  addExcluded(path: Uint8Array): void {
    this.#excluded++;
    if (this.#excludedExamples.length >= MAX_EXCLUDED_NAMED) return;
    const cut = path.length > MAX_PATH_SHOWN ? "…" : "";
    this.#excludedExamples.push(displayName(path.subarray(0, MAX_PATH_SHOWN)) + cut);
  }

  /** Returns the totals, together with what a packer has read. */
  done(read: { filesRead: number; bytesRead: number }): PartTotals {
    const { files, directories, otherEntries, contentBytes, skippedSockets } = this;
    const { unstable, unstableCount, retainedOmissions: carriedOver } = this;
    return {
      files,
      directories,
      otherEntries,
      contentBytes,
      skippedSockets,
      unstable,
      unstableCount,
      unrestorable: this.#unrestorable.done(),
      retainedOmissions: carriedOver,
      excluded: { entries: this.#excluded, examples: this.#excludedExamples },
      filesRead: read.filesRead,
      bytesRead: read.bytesRead,
    };
  }
}

/** The counts of one part, or of several together. */
export type PartTotals = Omit<PackStats, "newLayers" | "newLayerBytes">;

/** Returns the sum of several parts. */
export function sumTotals(parts: readonly PartTotals[]): PartTotals {
  const sum = (of: (part: PartTotals) => number) => parts.reduce((all, part) => all + of(part), 0);
  return {
    files: sum((part) => part.files),
    directories: sum((part) => part.directories),
    otherEntries: sum((part) => part.otherEntries),
    contentBytes: sum((part) => part.contentBytes),
    skippedSockets: sum((part) => part.skippedSockets),
    unstableCount: sum((part) => part.unstableCount),
    unstable: parts.flatMap((part) => part.unstable).slice(0, MAX_NAMED),
    unrestorable: sumOmissions(parts.map((part) => part.unrestorable)),
    retainedOmissions: sum((part) => part.retainedOmissions),
    excluded: {
      entries: sum((part) => part.excluded.entries),
      examples: parts.flatMap((part) => part.excluded.examples).toSorted()
        .slice(0, MAX_EXCLUDED_NAMED),
    },
    filesRead: sum((part) => part.filesRead),
    bytesRead: sum((part) => part.bytesRead),
  };
}
