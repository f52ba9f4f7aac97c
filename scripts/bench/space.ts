/** How much space a run takes, and whether it is there. */

import type { DiskSpace } from "../../src/disk_space.ts";
import type { Corpus } from "./corpora.ts";
import type { Measurement } from "./options.ts";

const GIB = 2 ** 30;
/** For what is spooled, and for whoever else uses the disk; bytes. */
const RESERVE = GIB;

/** Trees and stores of the first corpus that a measurement of whole daemons has at once. */
const COPIES: Readonly<Record<Measurement, number>> = {
  latency: 5,
  crowd: 30,
  overhead: 5,
  saves: 0,
  memory: 12,
  starts: 25,
  layers: 6,
  network: 6,
  changes: 8,
  chunks: 0,
};

/** Bytes of the large file that is measured as chunks, and how many stores of it there are. */
export const LARGE_FILE_BYTES = 4 * GIB;
const LARGE_FILE_COPIES = 6;

/**
 * Returns the bytes that measuring a corpus takes: the tree, what each tool stores, which may be as much,
 * and one restored tree.
 */
export function bytesNeeded({ bytes }: Pick<Corpus, "bytes">, tools: number): number {
  return bytes * (2 + tools) + RESERVE;
}

/** What is to be measured. */
export interface Plan {
  readonly corpora: readonly Pick<Corpus, "name" | "bytes" | "files">[];
  readonly tools: number;
  readonly measurements: readonly Measurement[];
  readonly largeFileBytes: number;
  /** The corpus that measurements are made with. */
  readonly first: Pick<Corpus, "bytes" | "files">;
}

/** Returns what is missing, in words; `undefined` where there is space for everything. */
export function missingSpace(plan: Plan, space: DiskSpace): string | undefined {
  const wants = [
    ...plan.corpora.map((corpus) => ({
      what: `the corpus ${corpus.name}`,
      bytes: bytesNeeded(corpus, plan.tools),
      // Ours and restic's stores have few files.
      inodes: 2 * corpus.files,
    })),
    ...plan.measurements.map((name) => ({
      what: name,
      bytes: COPIES[name] * plan.first.bytes + RESERVE +
        (name === "chunks" ? LARGE_FILE_COPIES * plan.largeFileBytes : 0),
      inodes: COPIES[name] * plan.first.files,
    })),
  ];
  const missing = wants.flatMap(({ what, bytes, inodes }) => {
    if (bytes > space.free) {
      return `${what} takes ${gib(bytes)} GiB, and ${gib(space.free)} are free`;
    }
    if (space.inodes > 0 && inodes > space.freeInodes) {
      return `${what} takes ${inodes} inodes, and ${space.freeInodes} are free`;
    }
    return [];
  });
  if (missing.length === 0) return undefined;
  return `too little space in ${space.path}: ${missing.join("; ")}. ` +
    "Name another disk by --folder, fewer tools and corpora by --only, or make it --quick";
}

const gib = (bytes: number) => (bytes / GIB).toFixed(1);
