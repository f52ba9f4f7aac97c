/**
 * What a pack of a frozen tree looks at when the file system has told what changed since the last
 * image. Everything else is taken over from the baseline without a look.
 */

import type { Block } from "../../../image/mod.ts";
import type { ChangedSubvolume } from "../../volume/volume.ts";

/** What becomes of a directory of the baseline. */
export const RESOLUTION = {
  /** Nothing in it has changed: its block is taken over. */
  retained: 0,
  /** It has the same entries, and some of them have changed. */
  amended: 1,
  /** It has changed itself, and is listed anew; its subdirectories have a resolution of their own. */
  relisted: 2,
  /** There is no such directory any more, or another one is at its path. */
  gone: 3,
} as const;

/** A plan, as Workers share it. */
export interface RevisitPlan {
  /** One byte of {@link RESOLUTION} for each directory of the baseline, by its number there. */
  readonly resolutions: SharedArrayBuffer;
  readonly changed: readonly ChangedInodes[];
  /** Paths of directories that were not there before; all that is in them is walked. */
  readonly added: readonly Uint8Array[];
}

/** The changed inodes of a subvolume, as f64 values. */
interface ChangedInodes {
  readonly major: number;
  readonly minor: number;
  readonly inodes: SharedArrayBuffer;
}

/** Returns the inodes of subvolumes in memory that Workers can share. */
export function shareChanges(subvolumes: readonly ChangedSubvolume[]): ChangedInodes[] {
  return subvolumes.map(({ device: { major, minor }, inodes }) => {
    const shared = new Float64Array(new SharedArrayBuffer(inodes.size * 8));
    let at = 0;
    for (const inode of inodes) shared[at++] = inode;
    return { major, minor, inodes: shared.buffer };
  });
}

/** Which inodes have changed, for a {@link RevisitPlan} and the baseline that it is for. */
export class Changes {
  readonly #subvolumes: readonly ChangedSubvolume[];
  /** Of the subvolume that was asked about last: neighbours mostly share theirs. */
  #last: ChangedSubvolume | undefined;

  constructor(subvolumes: readonly ChangedSubvolume[]) {
    this.#subvolumes = subvolumes;
  }

  static of({ changed }: RevisitPlan): Changes {
    return new Changes(changed.map(({ major, minor, inodes }) => ({
      device: { major, minor },
      inodes: new Set(new Float64Array(inodes)),
    })));
  }

  /**
   * Returns the changed inodes of the subvolume that a directory of the baseline is in; `undefined` if
   * nothing is known of it.
   */
  of(block: Block): ReadonlySet<number> | undefined {
    const major = block.devMajor(block.self);
    const minor = block.devMinor(block.self);
    const isOf = ({ device }: ChangedSubvolume) => device.major === major && device.minor === minor;
    if (!this.#last || !isOf(this.#last)) this.#last = this.#subvolumes.find(isOf);
    return this.#last?.inodes;
  }
}
