import { compareBytes } from "../archive/mod.ts";
import { isComponent, NAME_MAX } from "../linux/mod.ts";
import { type Block, decodeXattrs } from "./block.ts";
import { MAX_CHUNK } from "./chunk_cutter.ts";
import { CHUNKED_LAYER, FIELD, FLAG, HEAD, KIND, RECORD } from "./layout.ts";
import type { LayerInfo } from "./tree_file.ts";

const SLASH = 0x2f;
/** The longest text of a symbolic link. */
const MAX_TARGET = 4095;

/**
 * Checks that a block lies before `end` and is well-formed in all its parts.
 * @throws {RangeError} saying what is wrong
 */
export function checkBlock(block: Block, end: number, layers: readonly LayerInfo[]): void {
  const { at, length, count } = block;
  if (length % 8 !== 0 || length < HEAD.size + RECORD || at + length > end) {
    throw new RangeError("a directory leaves the file");
  }
  if (HEAD.size + (count + 1) * RECORD > length) {
    throw new RangeError("a directory has more entries than room for them");
  }
  const limit = at + length;
  const pathLength = block.memory.view.getUint32(at + HEAD.pathLength, true);
  if (block.end + pathLength > limit) throw new RangeError("a path leaves its directory");
  checkPath(block.path, true);
  checkRecord(block, block.self, limit, layers);
  if (block.kind(block.self) !== KIND.directory || block.name(block.self).length !== 0) {
    throw new RangeError("a directory's own record is of another kind");
  }
  checkEntries(block, limit, layers);
}

function checkEntries(block: Block, limit: number, layers: readonly LayerInfo[]): void {
  let before: Uint8Array | undefined;
  for (let record = block.first; record < block.end; record += RECORD) {
    checkRecord(block, record, limit, layers);
    if (block.kind(record) === KIND.directory) throw new RangeError("an entry is a directory");
    const name = block.name(record);
    if (name.length > NAME_MAX || name.includes(0) || !isComponent(name)) {
      throw new RangeError("an entry has no proper name");
    }
    if (before && compareBytes(before, name) >= 0) {
      throw new RangeError("the entries of a directory are out of order");
    }
    before = name;
  }
}

function checkRecord(
  block: Block,
  record: number,
  limit: number,
  layers: readonly LayerInfo[],
): void {
  const { view } = block.memory;
  const size = block.size(record);
  const offset = block.offset(record);
  if (!(Number.isSafeInteger(size) && size >= 0 && Number.isSafeInteger(offset) && offset >= 0)) {
    throw new RangeError("an entry has an impossible size or place");
  }
  const heap = block.at + view.getUint32(record + FIELD.heap, true);
  const length = block.contentBytesLength(record) +
    view.getUint32(record + FIELD.nameLength, true) +
    view.getUint32(record + FIELD.linkLength, true) +
    view.getUint32(record + FIELD.xattrLength, true);
  if (heap < block.end || heap + length > limit) {
    throw new RangeError("a name leaves its directory");
  }
  if (block.mode(record) > 0o7777 || !hasKnownFlags(block, record)) {
    throw new RangeError("an entry has an impossible mode or flag");
  }
  const { sec, nsec } = block.mtime(record);
  if (!Number.isSafeInteger(sec) || nsec > 999_999_999) {
    throw new RangeError("an entry has an impossible time");
  }
  decodeXattrs(block.xattrBytes(record));
  checkKind(block, record, layers);
}

/** Content is described of files only. */
function hasKnownFlags(block: Block, record: number): boolean {
  const known = FLAG.sparse | FLAG.linked |
    (block.kind(record) === KIND.file ? FLAG.digest | FLAG.chunked | FLAG.displaced : 0);
  return (block.flags(record) & ~known) === 0;
}

function checkFile(block: Block, record: number, layers: readonly LayerInfo[]): void {
  const stored = block.stored(record);
  const isSparse = (block.flags(record) & FLAG.sparse) !== 0;
  if (!(stored >= 0) || !isSparse && stored !== block.size(record)) {
    throw new RangeError("a file's size is not that of its content");
  }
  if (block.isChunked(record)) return checkChunks(block, record, layers);
  const layer = layers[block.layer(record)];
  if (!layer || layer.isChunks || layer.isUnused) {
    throw new RangeError("a file is in a layer that the image does not have");
  }
  if (block.offset(record) + stored > layer.rawSize) {
    throw new RangeError("a file's content leaves its layer");
  }
}

function checkChunks(block: Block, record: number, layers: readonly LayerInfo[]): void {
  if (block.layer(record) !== CHUNKED_LAYER) {
    throw new RangeError("a file of chunks is in a layer, too");
  }
  const list = block.chunks(record);
  let bytes = 0;
  for (let n = 0; n < list.count; n++) {
    const pack = layers[list.pack(n)];
    const length = list.length(n);
    if (!pack?.isChunks || pack.isUnused) {
      throw new RangeError("a chunk is in no chunk pack of the image");
    }
    if (length === 0 || length > MAX_CHUNK || list.offset(n) + length > pack.rawSize) {
      throw new RangeError("a chunk leaves its pack");
    }
    bytes += length;
  }
  if (bytes !== block.stored(record)) {
    throw new RangeError("a file's chunks do not come to its size");
  }
}

function checkKind(block: Block, record: number, layers: readonly LayerInfo[]): void {
  const link = block.link(record);
  switch (block.kind(record)) {
    case KIND.file:
      return checkFile(block, record, layers);
    case KIND.symlink:
      if (link.length === 0 || link.length > MAX_TARGET || link.includes(0)) {
        throw new RangeError("a symbolic link has no proper target");
      }
      return;
    case KIND.link:
      return checkPath(link, false);
    case KIND.directory:
    case KIND.fifo:
      return;
    case KIND.character:
    case KIND.block:
      if (block.size(record) > 0xffff_ffff || block.offset(record) > 0xffff_ffff) {
        throw new RangeError("a device has an impossible number");
      }
      return;
    default:
      throw new RangeError("an entry is of an unknown kind");
  }
}

/** Checks a path. @throws {RangeError} if it is not plain names between single slashes */
function checkPath(path: Uint8Array, mayBeTop: boolean): void {
  if (path.length === 0 && mayBeTop) return;
  if (path.includes(0)) throw new RangeError("a path has a NUL");
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const name = path.subarray(start, end);
    if (name.length > NAME_MAX || !isComponent(name)) {
      throw new RangeError("a path has a part that is no proper name");
    }
    start = end + 1;
  }
}
