/** Finds a file's size and holes, by whichever of the four sparse formats its headers use. */

import { ArchiveError } from "./archive_error.ts";
import type { ReadWindow } from "./read_window.ts";
import type { FileShape } from "./tar_entry.ts";
import { BLOCK, type RawHeader } from "./raw_header.ts";
import { decimalCount, headerCount } from "./numbers.ts";
import type { PaxRecords } from "./pax_reader.ts";
import {
  OLD_GNU,
  OLD_GNU_EXTENSION,
  oldGnuSlots,
  parseSparseList,
  SparseLines,
  sparseMap,
} from "./sparse_formats.ts";

const OLD_GNU_SPARSE = "S".charCodeAt(0);

function shapeOf(pairs: readonly number[], size: number, storedSize: number): FileShape {
  return { size, storedSize, sparse: sparseMap(pairs, size, storedSize) };
}

function oldGnu(window: ReadWindow, raw: RawHeader, body: number): FileShape {
  const { slotsAt, slots, extendedAt, realSizeAt } = OLD_GNU;
  const size = headerCount(raw.block.subarray(realSizeAt, realSizeAt + 12), "real size");
  const pairs: number[] = [];
  oldGnuSlots(raw.block, slotsAt, slots, pairs);
  let extended = raw.block[extendedAt] !== 0;
  while (extended) {
    const block = window.block("its sparse map");
    const before = pairs.length;
    oldGnuSlots(block, OLD_GNU_EXTENSION.slotsAt, OLD_GNU_EXTENSION.slots, pairs);
    extended = block[OLD_GNU_EXTENSION.extendedAt] !== 0;
    if (extended && pairs.length === before) {
      throw new ArchiveError("malformed", "its sparse map goes on but has nothing to say");
    }
  }
  return shapeOf(pairs, size, body);
}

function realSize(pax: PaxRecords): number {
  const record = pax.get("GNU.sparse.realsize") ?? pax.get("GNU.sparse.size");
  if (!record) throw new ArchiveError("malformed", "it is sparse, but its real size is missing");
  return decimalCount(record, "GNU.sparse.realsize");
}

function format1(window: ReadWindow, pax: PaxRecords, body: number): FileShape {
  const lines = new SparseLines();
  let taken = 0;
  while (!lines.done) {
    if (taken + BLOCK > Math.ceil(body / BLOCK) * BLOCK) {
      throw new ArchiveError("malformed", "its sparse map does not end within its content");
    }
    lines.push(window.block("its sparse map"));
    taken += BLOCK;
  }
  if (taken > body) throw new ArchiveError("malformed", "its sparse map is cut by its size");
  return shapeOf(lines.pairs, realSize(pax), body - taken);
}

/**
 * Returns the shape of a file whose headers announce `body` bytes.
 * @param pairs of a format 0.0 map, which repeats its records
 * @throws {ArchiveError} for a map that cannot be
 */
export function readShape(
  window: ReadWindow,
  raw: RawHeader,
  pax: PaxRecords,
  pairs: readonly number[],
  body: number,
): FileShape {
  if (raw.typeflag === OLD_GNU_SPARSE) return oldGnu(window, raw, body);
  const major = pax.get("GNU.sparse.major");
  if (major) {
    const version = `${decimalCount(major, "GNU.sparse.major")}.${
      decimalCount(pax.get("GNU.sparse.minor") ?? new Uint8Array([0x30]), "GNU.sparse.minor")
    }`;
    if (version === "1.0") return format1(window, pax, body);
    if (version !== "0.0" && version !== "0.1") {
      throw new ArchiveError("malformed", `it is sparse in an unknown format, ${version}`);
    }
  }
  const list = pax.get("GNU.sparse.map");
  if (list) return shapeOf(parseSparseList(list), realSize(pax), body);
  if (pairs.length > 0) return shapeOf(pairs, realSize(pax), body);
  return { size: body, storedSize: body };
}
