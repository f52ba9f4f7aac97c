/**
 * Foretells the chunks of a file from the list of what it was at the last image.
 *
 * Where a chunk is cut depends on its own bytes alone, unless the stream ends with it. So if the bytes that
 * come next have the digest of a chunk in that list, a chunk of that length is what cutting them gives: they
 * need not be searched for a cut.
 */

import { createHash } from "node:crypto";
import { type ChunkList, MAX_CHUNK, MIN_CHUNK } from "../../../image/mod.ts";
import { sameName } from "../../../linux/mod.ts";

/** How many chunks ahead is looked for one that comes again, after others or after some that were not seen. */
const MAX_STEPS = 4096;

/** The chunks that are expected, one after the other. */
export class ExpectedChunks {
  readonly #list: ChunkList;
  #next = 0;
  #isAligned = true;

  /** @param list as it was; read as long as chunks are taken */
  constructor(list: ChunkList) {
    this.#list = list;
  }

  /**
   * Takes the chunk that is expected next, where the bytes begin with it and go on after it.
   * @returns its digest and its length
   */
  take(bytes: Uint8Array): { readonly digest: Uint8Array; readonly length: number } | undefined {
    // The last one ended where its stream did.
    if (!this.#isAligned || this.#next + 1 >= this.#list.count) return undefined;
    const length = this.#list.length(this.#next);
    // A list may be of an image that somebody has made up.
    if (length > MIN_CHUNK && length <= MAX_CHUNK && length < bytes.length) {
      const digest = createHash("sha256").update(bytes.subarray(0, length)).digest();
      if (digest.equals(this.#list.digest(this.#next))) {
        this.#next++;
        return { digest, length };
      }
    }
    this.lose();
    return undefined;
  }

  /** Expects nothing until a chunk of the list has come again. */
  lose(): void {
    this.#isAligned = false;
  }

  /** Says that a known chunk has come that was not expected. */
  align(digest: Uint8Array): void {
    const end = Math.min(this.#list.count, this.#next + MAX_STEPS);
    for (let n = this.#next; n < end; n++) {
      if (!sameName(this.#list.digest(n), digest)) continue;
      this.#next = n + 1;
      this.#isAligned = true;
      return;
    }
  }
}
