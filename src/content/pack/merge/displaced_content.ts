/**
 * Counts content by its places: several entries may have one place, though the layer has it only once. The
 * entry that a place belongs to, if it is in the tree, is like the layer says; all others are displaced.
 */

import type { Block, Location } from "../../../image/mod.ts";

/** Calls `visit` for every file whose content is in a layer of the baseline. */
export type EachFile = (
  visit: (block: Block, record: number, directory: number) => void,
) => void;

/** A set of places in layers. */
class Places {
  readonly #offsets = new Map<number, Set<number>>();

  /** Adds the place of a record's content. @returns false if it was there */
  add(block: Block, record: number): boolean {
    const layer = block.layer(record);
    let offsets = this.#offsets.get(layer);
    if (!offsets) this.#offsets.set(layer, offsets = new Set());
    const { size } = offsets;
    return offsets.add(block.offset(record)).size > size;
  }

  has(block: Block, record: number): boolean {
    return this.#offsets.get(block.layer(record))?.has(block.offset(record)) ?? false;
  }
}

/** The places that displaced entries have. */
export class DisplacedContent {
  readonly #places = new Places();

  /** Whether there is no such entry. */
  isEmpty = true;

  constructor(each: EachFile) {
    each((block, record) => {
      if (!block.isDisplaced(record)) return;
      this.#places.add(block, record);
      this.isEmpty = false;
    });
  }

  /** Returns whether the place of a record's content may be another record's, too. */
  isShared(block: Block, record: number): boolean {
    return this.#places.has(block, record);
  }

  /** Calls `visit` for one entry of each place. */
  eachPlace(each: EachFile, visit: (block: Block, record: number) => void): void {
    const seen = new Places();
    each((block, record) => {
      if (!this.isShared(block, record) || seen.add(block, record)) visit(block, record);
    });
  }
}

/** Content that was packed again, by the place that it had. */
export class MovedContent {
  readonly #copies = new Map<number, Map<number, { block: Block; record: number }>>();

  /** Notes where the content of a record is by now. @param copy the record with its new place */
  add(block: Block, record: number, copy: { block: Block; record: number }): void {
    const layer = block.layer(record);
    const copies = this.#copies.get(layer) ?? new Map<number, { block: Block; record: number }>();
    this.#copies.set(layer, copies.set(block.offset(record), copy));
  }

  /**
   * Returns the new place of a record's content, which belongs to another entry; `undefined` if its content was
   * not packed again, or has changed since.
   */
  placeOf(block: Block, record: number): Location | undefined {
    const copy = this.#copies.get(block.layer(record))?.get(block.offset(record));
    const [before, now] = [block.digest(record), copy?.block.digest(copy.record)];
    if (!copy || !before || !now || before.some((byte, n) => byte !== now[n])) return undefined;
    return {
      layer: copy.block.layer(copy.record),
      offset: copy.block.offset(copy.record),
      stored: copy.block.stored(copy.record),
    };
  }
}
