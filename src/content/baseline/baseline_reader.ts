/** Reads a baseline, directory by directory. */

import { crc32 } from "node:zlib";
import { lowerBound } from "../../binary_search.ts";
import { sameName } from "../../linux/mod.ts";
import type { File } from "../../linux/mod.ts";
import {
  Block,
  blocksAt,
  buffers,
  decodeHeader,
  decodeStale,
  HEADER,
  headerSize,
  layerCount,
  Memory,
  readFully,
  type StaleEntry,
  type TreeHeader,
} from "../../image/mod.ts";
import { readAliases } from "./baseline_aliases.ts";
import { FOOTER, FOOTER_CHECKED, FOOTER_MAGIC, hashPath, TABLE_ENTRY } from "./baseline_format.ts";

const EMPTY_TABLE = new DataView(new ArrayBuffer(0));

/** The header of a baseline, and where its other parts are. */
interface BaselineParts {
  header: TreeHeader;
  /** Offset of the stale entries. */
  staleAt: number;
  table: DataView;
  /** Offset of what follows the table, up to the footer. */
  tailAt: number;
  directories: number;
}

function readFooter(file: File, size: number) {
  if (size < FOOTER) throw new RangeError("it is too short");
  const footer = new DataView(readFully(file, size - FOOTER, FOOTER).buffer);
  if (footer.getBigUint64(16, true) !== FOOTER_MAGIC) throw new RangeError("it has no footer");
  return {
    tableAt: footer.getFloat64(0, true),
    directories: footer.getUint32(8, true),
    checksum: footer.getUint32(12, true),
  };
}

/** Reads the header and the table of layers. @throws {RangeError} if they are malformed */
export function readHeader(file: File): TreeHeader {
  const size = headerSize(layerCount(readFully(file, 0, HEADER)));
  if (size > file.stat().size) throw new RangeError("its table of layers is longer than itself");
  return decodeHeader(readFully(file, 0, size));
}

/**
 * Checks a baseline's checksum.
 * @throws {RangeError | ArchiveError} if it is not as it was written
 */
export function verifyBaseline(file: File): void {
  const { size } = readAliases(file);
  const { checksum } = readFooter(file, size);
  const end = size - FOOTER;
  const buffer = buffers.take();
  let actual = 0;
  for (let at = 0, count: number; at < end; at += count) {
    count = Math.min(file.readAt(buffer, at), end - at);
    if (count <= 0) break;
    actual = crc32(buffer.subarray(0, count), actual);
  }
  buffers.giveBack(buffer);
  actual = crc32(readFully(file, end, FOOTER_CHECKED), actual);
  if (actual !== checksum) throw new RangeError("its checksum is wrong");
}

/** Reads a verified baseline. The caller keeps the file open, and closes it. */
export class BaselineReader {
  readonly #file: File;
  readonly #parts: BaselineParts;
  #scratch = new Memory(new ArrayBuffer(64 * 1024));

  /** Reads the header and the table. @throws {RangeError | ArchiveError} if the file is no baseline */
  constructor(file: File) {
    this.#file = file;
    const { tableAt, directories } = readFooter(file, readAliases(file).size);
    const header = readHeader(file);
    const table = readFully(file, tableAt, directories * TABLE_ENTRY);
    this.#parts = {
      header,
      staleAt: blocksAt(header) + header.blockBytes,
      table: directories > 0 ? new DataView(table.buffer) : EMPTY_TABLE,
      tailAt: tableAt + directories * TABLE_ENTRY,
      directories,
    };
  }

  get header(): TreeHeader {
    return this.#parts.header;
  }
  /** The number of directories; they are numbered from 0. */
  get directories(): number {
    return this.#parts.directories;
  }

  /** Returns the stale entries: paths that reused layers still have and the tree has not. */
  stale(): StaleEntry[] {
    const { header, staleAt } = this.#parts;
    return decodeStale(readFully(this.#file, staleAt, header.staleBytes), header.stale);
  }

  /** Returns the state of the frozen tree that it describes, encoded; empty where it was not frozen. */
  frozenState(): Uint8Array {
    const { tailAt } = this.#parts;
    const { state, size } = readAliases(this.#file);
    return state.length > 0 ? state : readFully(this.#file, tailAt, size - FOOTER - tailAt);
  }

  /**
   * Reads all directories at once.
   * @returns their blocks, ordered by path, with their numbers
   */
  all(): { block: Block; number: number }[] {
    const { header, staleAt, table, directories } = this.#parts;
    const start = blocksAt(header);
    const memory = new Memory(readFully(this.#file, start, staleAt - start).buffer);
    const numbers = new Map<number, number>();
    for (let number = 0; number < directories; number++) {
      numbers.set(table.getFloat64(number * TABLE_ENTRY + 8, true) - start, number);
    }
    const all: { block: Block; number: number }[] = [];
    for (let at = 0; at < memory.bytes.length;) {
      const block = new Block(memory, at);
      const number = numbers.get(at);
      if (number === undefined) throw new RangeError("a directory is missing in its table");
      all.push({ block, number });
      at += block.length;
    }
    if (all.length !== directories) throw new RangeError("its table has more directories than it");
    return all;
  }

  /** Returns the block of the directory at `path`, valid until the next call, and its number. */
  find(path: Uint8Array): { block: Block; number: number } | undefined {
    const { table, directories } = this.#parts;
    const hash = hashPath(path);
    const first = lowerBound(
      directories,
      (number) => table.getUint32(number * TABLE_ENTRY, true) < hash,
    );
    for (let number = first; number < directories; number++) {
      if (table.getUint32(number * TABLE_ENTRY, true) !== hash) return undefined;
      const block = this.block(number);
      if (sameName(block.path, path)) return { block, number };
    }
    return undefined;
  }

  /** Returns the block of that number, valid until the next call. */
  block(number: number): Block {
    const { table } = this.#parts;
    const length = table.getUint32(number * TABLE_ENTRY + 4, true);
    const offset = table.getFloat64(number * TABLE_ENTRY + 8, true);
    if (length > this.#scratch.bytes.length) {
      this.#scratch = new Memory(new ArrayBuffer(2 * length));
    }
    const into = this.#scratch.bytes.subarray(0, length);
    for (let at = 0, count: number; at < length; at += count) {
      count = this.#file.readAt(into.subarray(at), offset + at);
      if (count === 0) throw new RangeError("a baseline was cut short while it was read");
    }
    return new Block(this.#scratch, 0);
  }
}
