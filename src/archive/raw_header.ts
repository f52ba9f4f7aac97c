/**
 * One 512-byte tar header block, of any dialect: v7, ustar (POSIX.1-1988), old-GNU and GNU
 * ("Basic Tar Format" in GNU tar's manual) and star.
 */

import { joinBytes } from "./bytes.ts";
import { ArchiveError } from "./archive_error.ts";
import { headerCount, headerNumber, headerTime } from "./numbers.ts";

/** Bytes of a tar block. */
export const BLOCK = 512;

/** The dialects of tar whose headers differ in their fields. */
export type TarDialect = "v7" | "ustar" | "gnu";

/** The fields of a header block, before extension headers override them. */
export interface RawHeader {
  readonly dialect: TarDialect;
  /** The type flag's byte. */
  readonly typeflag: number;
  readonly path: Uint8Array;
  readonly linkPath: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of body, unless a PAX record overrides it. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
  /** A copy of the block, for fields that only some types have (sparse maps). */
  readonly block: Uint8Array;
}

const CHECKSUM_AT = 148;
const CHECKSUM_END = 156;
const SLASH = 0x2f;

/** Returns a text field up to its first NUL. */
function text(block: Uint8Array, from: number, to: number): Uint8Array {
  const nul = block.indexOf(0, from);
  return block.slice(from, nul === -1 || nul > to ? to : nul);
}

/** Returns whether the block holds nothing but zeros. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * Returns whether the block's checksum is right, summed over unsigned bytes or, as old tars did, signed
 * ones.
 */
export function hasValidChecksum(block: Uint8Array): boolean {
  let unsigned = 0;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_END ? 0x20 : block[i]!;
    unsigned += byte;
    if (byte > 127) high++;
  }
  let stored: number;
  try {
    stored = headerNumber(block.subarray(CHECKSUM_AT, CHECKSUM_END), "checksum");
  } catch {
    return false;
  }
  return stored === unsigned || stored === unsigned - 256 * high;
}

function dialectOf(block: Uint8Array): TarDialect {
  const magic = String.fromCharCode(...block.subarray(257, 263));
  if (magic === "ustar\0") return "ustar";
  return magic === "ustar " ? "gnu" : "v7";
}

/** Returns where the prefix ends: star stores times in the last 24 bytes of the POSIX field. */
function prefixEnd(block: Uint8Array): number {
  const octal = (at: number) => block[at]! >= 0x30 && block[at]! <= 0x37;
  const star = block[475] === 0 && octal(476) && block[487] === 0x20 && octal(488) &&
    block[499] === 0x20;
  return star ? 476 : 500;
}

function pathOf(block: Uint8Array, dialect: TarDialect): Uint8Array {
  const name = text(block, 0, 100);
  if (dialect !== "ustar" || block[345] === 0) return name;
  const prefix = text(block, 345, prefixEnd(block));
  return joinBytes(prefix, Uint8Array.of(SLASH), name);
}

/**
 * Parses a block that is not all zeros.
 * @param offset of the block in the archive, for messages
 * @throws {ArchiveError} malformed, if it is no header or one of its numbers is invalid
 */
export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  if (!hasValidChecksum(block)) {
    throw new ArchiveError(
      "malformed",
      `the block at offset ${offset} is not a tar header: its checksum is wrong`,
    );
  }
  const own = block.slice(0, BLOCK);
  const dialect = dialectOf(own);
  const field = (from: number, to: number) => own.subarray(from, to);
  // v7 has no fields after the link name: whatever is there is ignored.
  const device = (from: number, what: string) =>
    dialect === "v7" ? 0 : headerCount(field(from, from + 8), what);
  try {
    const typeflag = own[156]!;
    const special = typeflag === 0x33 || typeflag === 0x34;
    return {
      dialect,
      typeflag,
      path: pathOf(own, dialect),
      linkPath: text(own, 157, 257),
      mode: headerNumber(field(100, 108), "mode") & 0o7777,
      uid: headerCount(field(108, 116), "uid"),
      gid: headerCount(field(116, 124), "gid"),
      size: headerCount(field(124, 136), "size"),
      mtime: headerTime(field(136, 148), "mtime"),
      devMajor: special ? device(329, "devmajor") : 0,
      devMinor: special ? device(337, "devminor") : 0,
      block: own,
    };
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new ArchiveError(
      error.problem,
      `the tar header at offset ${offset} is malformed: ${error.message}`,
    );
  }
}
