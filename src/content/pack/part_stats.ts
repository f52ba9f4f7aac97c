/** What a part of a pack counts. */

import { displayName } from "../../linux/mod.ts";
import type { PackStats } from "../content.ts";

/** How many paths are named at most. */
const MAX_NAMED = 100;

export class PartStats {
  files = 0;
  directories = 0;
  otherEntries = 0;
  contentBytes = 0;
  skippedSockets = 0;
  unstableCount = 0;
  readonly unstable: string[] = [];

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

  /** What was counted, with what was read. */
  done(read: { filesRead: number; bytesRead: number }): PartTotals {
    const { files, directories, otherEntries, contentBytes, skippedSockets } = this;
    const { unstable, unstableCount } = this;
    return {
      files,
      directories,
      otherEntries,
      contentBytes,
      skippedSockets,
      unstable,
      unstableCount,
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
    filesRead: sum((part) => part.filesRead),
    bytesRead: sum((part) => part.bytesRead),
  };
}
