/** What a part of a pack counts. */

import { displayName } from "../../linux/mod.ts";
import type { OmissionKind } from "../omissions.ts";
import type { PackStats } from "./pack_result.ts";
import { OmissionLog, sumOmissions } from "../omissions.ts";

/** How many paths are named at most. */
const MAX_NAMED = 100;

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

  addFile(size: number): void {
    this.files++;
    this.contentBytes += size;
  }

  /** Counts a socket, which no archive can hold. */
  addSocket(): void {
    this.skippedSockets++;
  }

  /** Counts a file that would not hold still. */
  addUnstable(path: Uint8Array): void {
    this.unstableCount++;
    if (this.unstable.length < MAX_NAMED) this.unstable.push(displayName(path));
  }

  /** Counts an entry that this node could not make when it restored the tree. */
  addRetainedOmission(): void {
    this.otherEntries++;
    this.retainedOmissions++;
  }

  /** Counts what a process with the rights of this one could not restore. */
  addUnrestorable(kind: OmissionKind, path: Uint8Array): void {
    this.#unrestorable.add(kind, path);
  }

  /** What was counted, with what was read. */
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
      filesRead: read.filesRead,
      bytesRead: read.bytesRead,
    };
  }
}

export type PartTotals = Omit<PackStats, "newLayers" | "newLayerBytes">;

/** The sum of several parts. */
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
    filesRead: sum((part) => part.filesRead),
    bytesRead: sum((part) => part.bytesRead),
  };
}
