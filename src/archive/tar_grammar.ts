/** Reads the grammar of tar: extension headers, then an entry's header, then its body. */

import { ArchiveError, showName } from "./archive_error.ts";
import { ReadWindow } from "./read_window.ts";
import {
  bodySize,
  entryType,
  type FileShape,
  inEntry,
  type LongNames,
  makeEntry,
  MAX_PATH_BYTES,
  pathOf,
  type TarEntry,
} from "./tar_entry.ts";
import { BLOCK, hasValidChecksum, isZeroBlock, parseHeader, type RawHeader } from "./raw_header.ts";
import { mergePax, parsePax, type PaxRecords } from "./pax_reader.ts";
import { readShape } from "./file_shape.ts";
import type { ByteSource } from "./byte_source.ts";

/** The most bytes of extension headers of one entry, or of all global ones together. */
export const MAX_EXTENSION_BYTES = 1024 * 1024;

/**
 * The most bytes of extension headers of one entry in layers of our own. Inodes have what Linux
 * allows: 64 KiB of xattr names, which are some 9,000, and 64 KiB for the value of each.
 */
export const MAX_OWN_EXTENSION_BYTES = 640 * 1024 * 1024;

/** The most headers in a row that are no entry: only a hostile archive has more. */
const MAX_EXTENSIONS_IN_A_ROW = 1024;

const flag = (c: string) => c.charCodeAt(0);
const FLAGS = {
  paxLocal: flag("x"),
  paxLocalSolaris: flag("X"),
  paxGlobal: flag("g"),
  longPath: flag("L"),
  longLink: flag("K"),
  volumeLabel: flag("V"),
  continuation: flag("M"),
  oldLongNames: flag("N"),
  hardLink: flag("1"),
  fifo: flag("6"),
} as const;

/** Extension headers read for the next entry. */
interface Pending {
  records: Map<string, Uint8Array>;
  sparsePairs: number[];
  names: LongNames;
  bytes: number;
  /** Offset of the first of them. */
  offset: number;
}

const padded = (size: number) => Math.ceil(size / BLOCK) * BLOCK;

/** The state of reading one archive; `TarReader` is its public form. */
export class TarGrammar {
  readonly window: ReadWindow;
  readonly #maxExtensionBytes: number;
  #globals: PaxRecords = new Map();
  #globalBytes = 0;
  #ended = false;
  #entry: TarEntry | undefined;
  /** Bytes of the current body not yet read, and of the padding after it. */
  #body = 0;
  #padding = 0;

  constructor(source: ByteSource, maxExtensionBytes: number) {
    this.window = new ReadWindow(source);
    this.#maxExtensionBytes = maxExtensionBytes;
  }

  /** See {@link TarReader.read}. */
  read(into: Uint8Array): number {
    const part = into.length > this.#body ? into.subarray(0, this.#body) : into;
    if (part.length === 0) return 0;
    const count = this.window.read(part);
    if (count === 0) throw this.window.truncated(this.#inBody());
    this.#body -= count;
    return count;
  }

  #inBody(): string {
    return this.#entry ? `the content of ${showName(this.#entry.path)}` : "an entry's content";
  }

  /** Returns the next entry; `undefined` once the end marker was read. */
  next(): TarEntry | undefined {
    if (this.#ended) return undefined;
    const rest = this.#body + this.#padding;
    if (rest > 0) this.window.skip(rest, this.#inBody());
    this.#body = this.#padding = 0;
    this.#entry = undefined;
    let pending: Pending | undefined;
    for (let headers = 0; headers < MAX_EXTENSIONS_IN_A_ROW; headers++) {
      const offset = this.window.offset;
      const raw = this.#header(offset, pending);
      if (!raw) return undefined;
      if (raw.typeflag === FLAGS.volumeLabel) {
        this.window.skip(padded(raw.size), "a volume label");
      } else if (raw.typeflag === FLAGS.paxGlobal) {
        this.#global(raw, offset);
      } else if (isLocalExtension(raw)) {
        pending ??= { records: new Map(), sparsePairs: [], names: {}, bytes: 0, offset };
        this.#local(raw, offset, pending);
      } else {
        return this.#entryOf(raw, offset, pending);
      }
    }
    throw new ArchiveError(
      "limit",
      `more than ${MAX_EXTENSIONS_IN_A_ROW} extension headers in a row before offset ${this.window.offset}`,
    );
  }

  /**
   * Reads a header block; returns `undefined` at the end of the archive. The end marker is two zero
   * blocks; as GNU tar does, this accepts one, a part of one, or none if the stream ends after an
   * entry. The stream's compression or digest shows whether it is complete.
   */
  #header(offset: number, pending: Pending | undefined): RawHeader | undefined {
    const block = this.#headerBlock(offset);
    if (block && !isZeroBlock(block)) return parseHeader(block, offset);
    if (pending) {
      throw new ArchiveError(
        block ? "malformed" : "truncated",
        `the extension header at offset ${pending.offset} belongs to no entry: the archive ends at offset ${offset}`,
      );
    }
    // The second zero block, if there is one. Anything else is data that no tool extracts.
    if (this.window.hasBlock() && isZeroBlock(this.window.peek(BLOCK))) this.window.consume(BLOCK);
    this.#ended = true;
    return undefined;
  }

  /** Returns the next block; `undefined` at the end of the stream, or at a part of a zero block. */
  #headerBlock(offset: number): Uint8Array | undefined {
    const { window } = this;
    if (window.hasBlock()) return window.block("the place of a header");
    const rest = window.peek(BLOCK);
    const isEnd = offset > 0 && rest.every((byte) => byte === 0);
    if (!isEnd) throw window.truncated("the place of a header");
    window.consume(rest.length);
    return undefined;
  }

  #extensionBody(raw: RawHeader, offset: number, limit: number): Uint8Array {
    if (raw.size > limit) {
      throw new ArchiveError(
        "limit",
        `the extension header at offset ${offset} has ${raw.size} bytes where ${limit} are left`,
      );
    }
    const within = `the extension header at offset ${offset}`;
    const body = this.window.bytes(raw.size, within);
    this.window.skip(padded(raw.size) - raw.size, within);
    return body;
  }

  #global(raw: RawHeader, offset: number): void {
    const body = this.#extensionBody(raw, offset, this.#maxExtensionBytes);
    const { records } = pax(body, offset);
    const merged = mergePax(this.#globals, records);
    // Counts the records that are kept: repeating a header adds nothing.
    this.#globalBytes = 0;
    for (const [keyword, value] of merged) this.#globalBytes += keyword.length + value.length;
    if (this.#globalBytes > this.#maxExtensionBytes) {
      throw new ArchiveError(
        "limit",
        `the global PAX records exceed ${this.#maxExtensionBytes} bytes at offset ${offset}`,
      );
    }
    this.#globals = merged;
  }

  #local(raw: RawHeader, offset: number, pending: Pending): void {
    const long = raw.typeflag === FLAGS.longPath || raw.typeflag === FLAGS.longLink;
    const limit = this.#maxExtensionBytes - pending.bytes;
    // One more than the longest path, for the NUL that GNU tar adds.
    const own = long ? Math.min(limit, MAX_PATH_BYTES + 1) : limit;
    const body = this.#extensionBody(raw, offset, own);
    pending.bytes += body.length;
    if (long) {
      const nul = body.indexOf(0);
      const name = nul === -1 ? body : body.subarray(0, nul);
      if (raw.typeflag === FLAGS.longPath) pending.names.path = name;
      else pending.names.linkPath = name;
      return;
    }
    const header = pax(body, offset);
    for (const [keyword, value] of header.records) pending.records.set(keyword, value);
    for (const value of header.sparsePairs) pending.sparsePairs.push(value);
  }

  #entryOf(raw: RawHeader, offset: number, pending: Pending | undefined): TarEntry {
    refuseUnsupported(raw, offset);
    const names = pending?.names ?? {};
    const own: PaxRecords = pending?.records ?? new Map();
    const merged = this.#globals.size === 0 && own.size === 0 ? own : mergePax(this.#globals, own);
    const path = pathOf(raw, names, merged);
    try {
      const type = entryType(raw.typeflag, path);
      const body = this.#bodySize(raw, merged, own.size > 0);
      let shape: FileShape = { size: type === "hardlink" ? body : 0, storedSize: body };
      if (type === "file") {
        shape = readShape(this.window, raw, merged, pending?.sparsePairs ?? [], body);
      }
      // A sparse map inside the body was whole blocks, so the padding is the whole body's.
      this.#body = shape.storedSize;
      this.#padding = padded(body) - body;
      this.#entry = makeEntry(offset, raw, names, merged, shape);
      return this.#entry;
    } catch (error) {
      throw inEntry(error, path, offset);
    }
  }

  /**
   * Returns the bytes of body. Links and nodes have none, but many writers give them a size; with PAX,
   * a hard link may have its file's content. What follows the header decides.
   */
  #bodySize(raw: RawHeader, merged: PaxRecords, extended: boolean): number {
    const size = bodySize(raw, merged);
    const link = raw.typeflag === FLAGS.hardLink;
    if (size === 0 || raw.typeflag < FLAGS.hardLink || raw.typeflag > FLAGS.fifo) return size;
    if (link && raw.dialect !== "ustar") return 0;
    if (link && extended) return size;
    if (!this.window.hasBlock()) return size;
    const block = this.window.peek(BLOCK);
    return isZeroBlock(block) || hasValidChecksum(block) ? 0 : size;
  }
}

function isLocalExtension(raw: RawHeader): boolean {
  const { paxLocal, paxLocalSolaris, longPath, longLink } = FLAGS;
  return [paxLocal, paxLocalSolaris, longPath, longLink].some((flag) => flag === raw.typeflag);
}

function pax(body: Uint8Array, offset: number) {
  try {
    return parsePax(body);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new ArchiveError(
      error.problem,
      `the extension header at offset ${offset} is malformed: ${error.message}`,
      { cause: error },
    );
  }
}

function refuseUnsupported(raw: RawHeader, offset: number): void {
  if (raw.typeflag === FLAGS.continuation) {
    throw new ArchiveError(
      "malformed",
      `entry ${
        showName(raw.path)
      } at offset ${offset} continues another volume: only whole archives are read`,
    );
  }
  if (raw.typeflag === FLAGS.oldLongNames) {
    throw new ArchiveError(
      "malformed",
      `the header at offset ${offset} is of GNU tar's obsolete "N" kind, which no one can read safely`,
    );
  }
}
