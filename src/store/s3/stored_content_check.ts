/** Whether what was read is what was stored, for small objects that are not named by their digest. */

import { digestOf, hexOf } from "../../digest.ts";
import { logger } from "../../log/mod.ts";
import { CorruptAnswerError } from "./s3_errors.ts";
import { isProven, type SmallObject } from "./small_object.ts";

const log = logger("store");

/**
 * An object that reads the same this often is what is stored, whatever its metadata says: some
 * servers do not replace the two together. Its reader checks its form.
 */
const SAME_ANSWERS = 3;

/** Judges the answers to one question for an object, asked until one is good. */
export class StoredContentCheck {
  readonly #key: string;
  #last = "";
  #repeats = 0;

  constructor(key: string) {
    this.#key = key;
  }

  /**
   * Returns whether the answer proves that its content is what was stored; false where it has
   * nothing to prove it by.
   * @throws {CorruptAnswerError} where it is something else, unless it is so each time
   */
  isStored(answer: SmallObject): boolean {
    if (isProven(answer)) return true;
    const { bytes, sha256 } = answer;
    const actual = hexOf(digestOf(bytes));
    if (sha256 === undefined) return false;
    this.#repeats = actual === this.#last ? this.#repeats + 1 : 1;
    this.#last = actual;
    if (this.#repeats < SAME_ANSWERS) {
      throw new CorruptAnswerError("its content fails the digest it was stored with");
    }
    log.warn("The content of {key} is not what its metadata says; the content decides", {
      key: this.#key,
    });
    return true;
  }
}
