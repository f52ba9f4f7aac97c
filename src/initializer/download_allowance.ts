import { DIRECTORY_BYTES, fileBytes, largestFile } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { foldersOf } from "./path_conflicts.ts";

/** Counts how much of the quota is left for the files of one download and the folders that they need. */
export class DownloadAllowance {
  #left: number;
  readonly #folders = new Set<string>();

  /** @param left bytes on disk; `undefined` for no limit */
  constructor(left: number | undefined) {
    this.#left = left ?? Infinity;
  }

  /**
   * Counts the folders on the way to a file, where earlier files have not.
   * @returns the most bytes that it may have; `undefined` for no limit
   * @throws {DaemonError} RESOURCE_EXHAUSTED where not even an empty file fits
   */
  forFile(path: string): number | undefined {
    for (const folder of foldersOf(path)) {
      if (!this.#folders.has(folder)) this.#left -= DIRECTORY_BYTES;
      this.#folders.add(folder);
    }
    if (this.#left === Infinity) return undefined;
    const largest = largestFile(this.#left);
    if (largest >= 0) return largest;
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      "the workspace's quota has no room left for a further file and its folders",
      { reason: "QUOTA_EXCEEDED" },
    );
  }

  /** Counts a file of `size` bytes that was fetched. */
  use(size: number): void {
    this.#left -= fileBytes(size);
  }
}
