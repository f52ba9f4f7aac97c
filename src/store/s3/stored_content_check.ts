/** Checks that a small object which is not named by its digest was read as it was stored. */

import { digestOf, hexOf } from "../../digest.ts";
import { logger } from "../../log/mod.ts";
import { CorruptAnswerError } from "./s3_errors.ts";
import { isProven, type SmallObject } from "./small_object.ts";

const log = logger("store");

/**
 * Content that contradicts its metadata is accepted after this many equal answers in a row, as some
 * servers do not replace content and metadata together. Its reader checks its form.
 */
const SAME_ANSWERS = 3;

/** Compares the answers to repeated reads of one object. */
export class StoredContentCheck {
  readonly #key: string;
  #last = "";
  #repeats = 0;

  constructor(key: string) {
    this.#key = key;
  }

  /**
   * Returns whether the answer is proven to be the stored content; false where it has no metadata to
   * prove it by.
   * @throws {CorruptAnswerError} where the content contradicts the metadata, for the first answers
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
