/** Sparse maps: old-GNU `S` headers and GNU's PAX formats 0.0, 0.1 and 1.0 ("Storing Sparse Files"). */

import type { Extent } from "../extent.ts";
import { ArchiveError } from "./archive_error.ts";
import { decimalCount, headerCount } from "./numbers.ts";
import { BLOCK } from "./raw_header.ts";

/** The most extents a map may have: enough for 8 GiB of alternating 4 KiB pages. */
export const MAX_EXTENTS = 1 << 20;

function tooMany(): ArchiveError {
  return new ArchiveError("limit", `its sparse map has more than ${MAX_EXTENTS} extents`);
}

/**
 * Makes a map of offset, length, offset, … pairs.
 * @throws {ArchiveError} unless extents are in order, inside `size`, and add up to `storedSize`.
 */
export function sparseMap(
  pairs: readonly number[],
  size: number,
  storedSize: number,
): Extent[] {
  if (pairs.length % 2 !== 0) {
    throw new ArchiveError("malformed", "its sparse map ends within an extent");
  }
  if (pairs.length / 2 > MAX_EXTENTS) throw tooMany();
  const extents: Extent[] = [];
  let end = 0;
  let stored = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const offset = pairs[i]!;
    const length = pairs[i + 1]!;
    if (offset < end) throw new ArchiveError("malformed", "its sparse map is out of order");
    end = offset + length;
    if (end > size) throw new ArchiveError("malformed", "its sparse map leaves the file");
    stored += length;
    if (length > 0) extents.push({ offset, length });
  }
  if (stored !== storedSize) {
    throw new ArchiveError(
      "malformed",
      `its sparse map describes ${stored} bytes of data, the archive holds ${storedSize}`,
    );
  }
  return extents;
}

/** Reads `count` old-GNU extent slots of 24 bytes. @returns whether the list ended here. */
export function oldGnuSlots(
  block: Uint8Array,
  at: number,
  count: number,
  pairs: number[],
): boolean {
  for (let i = 0; i < count; i++) {
    const slot = at + i * 24;
    if (block[slot + 12] === 0) return true;
    if (pairs.length / 2 >= MAX_EXTENTS) throw tooMany();
    pairs.push(
      headerCount(block.subarray(slot, slot + 12), "sparse offset"),
      headerCount(block.subarray(slot + 12, slot + 24), "sparse length"),
    );
  }
  return false;
}

/** Where an old-GNU `S` header block keeps its slots, and what follows them. */
export const OLD_GNU = { slotsAt: 386, slots: 4, extendedAt: 482, realSizeAt: 483 } as const;

/** The same for the extension blocks that follow it. */
export const OLD_GNU_EXTENSION = { slotsAt: 0, slots: 21, extendedAt: 504 } as const;

/** Parses `offset,length,offset,…` of format 0.1. @throws {ArchiveError} */
export function parseSparseList(text: Uint8Array): number[] {
  const pairs: number[] = [];
  if (text.length === 0) return pairs;
  for (let at = 0; at <= text.length;) {
    const comma = text.indexOf(0x2c, at);
    const end = comma === -1 ? text.length : comma;
    pairs.push(decimalCount(text.subarray(at, end), "a number in its sparse map"));
    if (pairs.length / 2 > MAX_EXTENTS) throw tooMany();
    at = end + 1;
  }
  return pairs;
}

/** Parses a map of format 1.0 as its blocks arrive: a count, then that many pairs, a number a line. */
export class SparseLines {
  readonly pairs: number[] = [];
  /** How many numbers are to come; -1 until the count is known. */
  #expected = -1;
  #line: number[] = [];

  get done(): boolean {
    return this.#expected >= 0 && this.pairs.length === this.#expected;
  }

  /** Takes one block; what follows the map's last line in it is padding. @throws {ArchiveError} */
  push(block: Uint8Array): void {
    for (let i = 0; i < BLOCK && !this.done; i++) {
      const byte = block[i]!;
      if (byte !== 0x0a) {
        this.#line.push(byte);
        if (this.#line.length > 20) {
          throw new ArchiveError("malformed", "its sparse map has an overlong number");
        }
        continue;
      }
      this.#take(decimalCount(Uint8Array.from(this.#line), "a number in its sparse map"));
      this.#line = [];
    }
  }

  #take(value: number): void {
    if (this.#expected >= 0) {
      this.pairs.push(value);
      return;
    }
    if (value > MAX_EXTENTS) throw tooMany();
    this.#expected = value * 2;
  }
}
