/**
 * Decides what a pack leaves out.
 *
 * - What the patterns ignore: those of the config, and after them those of a file in the tree's top.
 * - Of a cache directory everything but its tag (bford.info/cachedir): a regular file `CACHEDIR.TAG`
 *   that begins with the signature. The tree's top is none, whatever is in it.
 *
 * Nothing is followed or entered for it; a folder that is left out is not looked into.
 */

import { IgnorePatterns } from "../../../ignore_patterns.ts";
import { type Directory, isErrno, sameName, SystemError } from "../../../linux/mod.ts";
import { openRegularFile } from "../../open_regular_file.ts";
import type { ExcludeRules } from "./exclude_rules.ts";
import { IGNORE_FILE } from "./ignore_file.ts";

/** The name of the file that marks a cache directory. */
export const CACHE_TAG: Uint8Array = new TextEncoder().encode("CACHEDIR.TAG");
const SIGNATURE = new TextEncoder().encode("Signature: 8a477f597d28d172789f06886806bc55");

/** {@link ExcludeRules} in use. */
export class Excludes {
  readonly #patterns: IgnorePatterns;
  readonly #cacheDirs: boolean;

  constructor({ cacheDirs, patterns }: ExcludeRules) {
    this.#patterns = IgnorePatterns.parse(patterns);
    this.#cacheDirs = cacheDirs;
  }

  /** Whether there is any pattern; else {@link ignores} need not be asked. */
  get hasPatterns(): boolean {
    return !this.#patterns.isEmpty;
  }

  /** Returns whether the patterns ignore an entry. The file of patterns itself is always packed. */
  ignores(path: Uint8Array, isDirectory: boolean): boolean {
    return this.#patterns.ignores(path, isDirectory) && !sameName(path, IGNORE_FILE);
  }

  /** Returns whether a directory with an entry of the tag's name is a cache directory. */
  isCache(dir: Directory): boolean {
    if (!this.#cacheDirs) return false;
    const start = new Uint8Array(SIGNATURE.length);
    try {
      using file = openRegularFile(dir, CACHE_TAG);
      return file?.readAt(start, 0) === start.length && sameName(start, SIGNATURE);
    } catch (error) {
      // A link, or one that is gone or cannot be read, marks nothing.
      if (error instanceof SystemError && !isErrno(error, "EMFILE", "ENFILE", "ENOMEM")) {
        return false;
      }
      throw error;
    }
  }
}
