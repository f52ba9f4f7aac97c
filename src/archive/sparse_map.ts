/** The map at the start of a sparse file's content: GNU tar's manual, "Storing Sparse Files", PAX 1.0. */

import { asciiBytes } from "./bytes.ts";
import type { Extent } from "../extent.ts";
import { ArchiveError } from "./archive_error.ts";
import { BLOCK } from "./raw_header.ts";
import { MAX_EXTENTS } from "./sparse_formats.ts";

/** Encodes a map: decimal numbers, a line each, filled up to whole blocks. */
export function encodeSparseMap(extents: readonly Extent[], size: number): Uint8Array {
  const last = extents.at(-1);
  // Where a file ends with a hole, GNU tar ends its map with an empty extent.
  const closed = !last || last.offset + last.length < size
    ? [...extents, { offset: size, length: 0 }]
    : extents;
  let text = `${closed.length}\n`;
  for (const { offset, length } of closed) text += `${offset}\n${length}\n`;
  const map = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
  map.set(asciiBytes(text));
  return map;
}

/** Reads the numbers of a map from content that comes in pieces. */
export class SparseMapReader {
  #numbers: number[] = [];
  #number = 0;
  #digits = 0;
  #consumed = 0;

  /**
   * Reads the map from the next bytes of the content; once it is whole, {@link extents} returns it.
   * @returns how many bytes belonged to the map
   * @throws {ArchiveError} where it is malformed
   */
  take(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.#isWhole) this.#byte(bytes[at++]!);
    if (this.#isWhole) {
      const padding = (BLOCK - (this.#consumed + at) % BLOCK) % BLOCK;
      at += Math.min(padding, bytes.length - at);
    }
    this.#consumed += at;
    return at;
  }

  /**
   * Returns the extents, checked against the file's `size`; `undefined` until the map and its padding
   * were read.
   * @throws {ArchiveError} where they cannot be those of such a file
   */
  extents(size: number): Extent[] | undefined {
    if (!this.#isWhole || this.#consumed % BLOCK !== 0) return undefined;
    const extents: Extent[] = [];
    let end = 0;
    for (let n = 1; n < this.#numbers.length; n += 2) {
      const offset = this.#numbers[n]!;
      const length = this.#numbers[n + 1]!;
      if (offset < end || offset + length > size) {
        throw new ArchiveError("malformed", "a sparse map leaves its file");
      }
      end = offset + length;
      extents.push({ offset, length });
    }
    return extents;
  }

  get #isWhole(): boolean {
    const count = this.#numbers[0];
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }

  #byte(byte: number): void {
    if (byte === 0x0a && this.#digits > 0) {
      this.#numbers.push(this.#number);
      if (this.#numbers[0]! > MAX_EXTENTS) {
        throw new ArchiveError("limit", `a sparse map has ${this.#numbers[0]} extents`);
      }
      this.#number = this.#digits = 0;
    } else if (byte >= 0x30 && byte <= 0x39 && this.#digits < 15) {
      this.#number = this.#number * 10 + byte - 0x30;
      this.#digits++;
    } else {
      throw new ArchiveError("malformed", "a sparse map is no list of numbers");
    }
  }
}
