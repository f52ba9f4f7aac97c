/** Whether what was read is what was stored, for small objects that are not named by their digest. */

import { digestOf, hexOf } from "../../digest.ts";
import { logger } from "../../log.ts";
import { CorruptAnswerError } from "./s3_errors.ts";
import { isMd5 } from "./etags.ts";
import { hashesOf } from "./slice.ts";

const log = logger("store");

/**
 * An object that reads the same this often is what is stored, whatever its metadata says: some
 * servers do not replace the two together. Its reader checks its form.
 */
const SAME_ANSWERS = 3;

/** A small object as it was read. */
export interface SmallObject {
  bytes: Uint8Array;
  etag: string | undefined;
  /** The digest in hexadecimal that was stored beside it, where the answer has one. */
  sha256: string | undefined;
}

/** Returns whether an object that was read is these bytes. */
export function isSame(read: SmallObject | undefined, bytes: Uint8Array): boolean {
  return read !== undefined && digestOf(read.bytes) === digestOf(bytes);
}

/** Returns whether one object certainly came in the place of another, or of none. */
export function isReplaced(
  before: SmallObject | undefined,
  after: SmallObject | undefined,
): boolean {
  if (!after || !isProven(after) || before && !isProven(before)) return false;
  return !isSame(before, after.bytes);
}

/** Whether an answer has a digest of its content that fits. */
function isProven({ bytes, etag, sha256 }: SmallObject): boolean {
  return sha256 === hexOf(digestOf(bytes)) || isMd5(etag, hashesOf(bytes).md5Hex);
}

/** Judges the answers to one question for an object, asked until one is good. */
export class Vouching {
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
  isVouched(answer: SmallObject): boolean {
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
