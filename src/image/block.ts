/** Reads and patches blocks; `layout.ts` has their format. */

import { compareBytes } from "../archive/mod.ts";
import { binarySearch } from "../binary_search.ts";
import { S, type Stat, type Timespec } from "../linux/mod.ts";
import { CHUNK_ENTRY, ChunkList } from "./chunk_list.ts";
import {
  DIGEST_BYTES,
  FIELD,
  FLAG,
  HEAD,
  KIND,
  OMITTED,
  RACY,
  RECORD,
  type Xattr,
  XATTR_HEAD,
} from "./layout.ts";

/** Memory that contains blocks, as bytes and as a `DataView`. */
export class Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(readonly buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }
}

/** Where a file's content is: `stored` bytes from `offset` of the uncompressed layer. */
export interface Location {
  readonly layer: number;
  readonly offset: number;
  readonly stored: number;
}

/** One block. Entries are named by the position of their record in the memory. */
export class Block {
  constructor(readonly memory: Memory, readonly at: number) {}

  get length(): number {
    return this.#u32(this.at + HEAD.length);
  }
  get count(): number {
    return this.#u32(this.at + HEAD.count);
  }
  /** Sockets that were in the directory; 0 in an index. */
  get sockets(): number {
    return this.#u32(this.at + HEAD.sockets);
  }
  /** Position of the directory's own record. */
  get self(): number {
    return this.at + HEAD.size;
  }
  /** Position of the first entry's record. */
  get first(): number {
    return this.at + HEAD.size + RECORD;
  }
  /** Position after the last entry's record. */
  get end(): number {
    return this.first + this.count * RECORD;
  }
  /** The directory's path, relative, without slashes at its ends: a view of the memory. */
  get path(): Uint8Array {
    const at = this.end;
    return this.memory.bytes.subarray(at, at + this.#u32(this.at + HEAD.pathLength));
  }
  /** The whole block: a view of the memory. */
  get bytes(): Uint8Array {
    return this.memory.bytes.subarray(this.at, this.at + this.length);
  }

  kind(record: number): number {
    return this.memory.bytes[record + FIELD.kind]!;
  }
  flags(record: number): number {
    return this.memory.bytes[record + FIELD.flags]!;
  }
  mode(record: number): number {
    return this.memory.view.getUint16(record + FIELD.mode, true);
  }
  uid(record: number): number {
    return this.#u32(record + FIELD.uid);
  }
  gid(record: number): number {
    return this.#u32(record + FIELD.gid);
  }
  mtime(record: number): Timespec {
    return {
      sec: this.#f64(record + FIELD.mtimeSec),
      nsec: this.#u32(record + FIELD.mtimeNsec),
    };
  }
  size(record: number): number {
    return this.#f64(record + FIELD.size);
  }
  offset(record: number): number {
    return this.#f64(record + FIELD.offset);
  }
  stored(record: number): number {
    return this.#f64(record + FIELD.stored);
  }
  layer(record: number): number {
    return this.#u32(record + FIELD.layer);
  }
  ino(record: number): bigint {
    return this.memory.view.getBigUint64(record + FIELD.ino, true);
  }
  /** The inode number; one beyond 2^53 is rounded. */
  inodeNumber(record: number): number {
    return this.#u32(record + FIELD.ino + 4) * 2 ** 32 + this.#u32(record + FIELD.ino);
  }
  devMajor(record: number): number {
    return this.#u32(record + FIELD.devMajor);
  }
  devMinor(record: number): number {
    return this.#u32(record + FIELD.devMinor);
  }
  /** Returns the entry's name: a view of the memory. */
  name(record: number): Uint8Array {
    const at = this.#heap(record);
    return this.memory.bytes.subarray(at, at + this.#u32(record + FIELD.nameLength));
  }
  /** Returns a symlink's target or a hard link's path: a view of the memory. */
  link(record: number): Uint8Array {
    const at = this.#heap(record) + this.#u32(record + FIELD.nameLength);
    return this.memory.bytes.subarray(at, at + this.#u32(record + FIELD.linkLength));
  }
  /** Returns the encoded xattrs: a view of the memory. */
  xattrBytes(record: number): Uint8Array {
    const at = this.#heap(record) + this.#u32(record + FIELD.nameLength) +
      this.#u32(record + FIELD.linkLength);
    return this.memory.bytes.subarray(at, at + this.#u32(record + FIELD.xattrLength));
  }
  hasXattrs(record: number): boolean {
    return this.#u32(record + FIELD.xattrLength) > 0;
  }
  xattrs(record: number): Xattr[] {
    return this.hasXattrs(record) ? decodeXattrs(this.xattrBytes(record)) : [];
  }

  /** Returns what the heap has of the content, by the flags: a digest, a list of chunks. A view. */
  contentBytes(record: number): Uint8Array {
    const at = this.#contentAt(record);
    return this.memory.bytes.subarray(at, at + this.contentBytesLength(record));
  }
  /** Returns the length of {@link contentBytes}, which need not be there. */
  contentBytesLength(record: number): number {
    const flags = this.flags(record);
    return (flags & FLAG.digest ? DIGEST_BYTES : 0) +
      (flags & FLAG.chunked ? CHUNK_ENTRY * this.offset(record) : 0);
  }
  /** Returns the SHA-256 digest of a file's stored bytes, a view of the memory; `undefined` where it is not known. */
  digest(record: number): Uint8Array | undefined {
    if ((this.flags(record) & FLAG.digest) === 0) return undefined;
    const at = this.#contentAt(record);
    return this.memory.bytes.subarray(at, at + DIGEST_BYTES);
  }
  /** Returns whether the place of the content belongs to another path or other metadata. */
  isDisplaced(record: number): boolean {
    return (this.flags(record) & FLAG.displaced) !== 0;
  }
  isChunked(record: number): boolean {
    return (this.flags(record) & FLAG.chunked) !== 0;
  }
  /** Returns the chunks of a file that is a list of them: a view of the memory. */
  chunks(record: number): ChunkList {
    const digest = this.flags(record) & FLAG.digest ? DIGEST_BYTES : 0;
    return new ChunkList(this.contentBytes(record).subarray(digest));
  }

  /** Returns the record of the entry called `name`; `undefined` where the directory has none. */
  find(name: Uint8Array): number | undefined {
    const n = binarySearch(
      this.count,
      (n) => compareBytes(this.name(this.first + n * RECORD), name),
    );
    return n === undefined ? undefined : this.first + n * RECORD;
  }

  setKind(record: number, kind: number): void {
    this.memory.bytes[record + FIELD.kind] = kind;
  }
  setFlags(record: number, flags: number): void {
    this.memory.bytes[record + FIELD.flags] = flags;
  }
  /** Sets where the content is. */
  setLocation(record: number, location: Location): void {
    this.memory.view.setUint32(record + FIELD.layer, location.layer, true);
    this.memory.view.setFloat64(record + FIELD.offset, location.offset, true);
    this.memory.view.setFloat64(record + FIELD.stored, location.stored, true);
  }
  /** Sets where content of the same size is that was moved to another layer. */
  setLayer(record: number, layer: number, offset: number): void {
    this.memory.view.setUint32(record + FIELD.layer, layer, true);
    this.memory.view.setFloat64(record + FIELD.offset, offset, true);
  }
  setStat(record: number, stat: Stat, racy: boolean): void {
    writeStat(this.memory.view, record, stat);
    writeLocal(this.memory.view, record, stat, racy);
  }
  /** Sets the local fields: inode, device and ctime, which only this node has. */
  setLocal(record: number, stat: Stat, racy: boolean): void {
    writeLocal(this.memory.view, record, stat, racy);
  }
  /** Marks an entry that this node could not make. */
  setOmitted(record: number): void {
    this.memory.view.setUint32(record + FIELD.ctimeNsec, OMITTED, true);
  }
  /** Returns whether this node could not make the entry. */
  isOmitted(record: number): boolean {
    return this.#u32(record + FIELD.ctimeNsec) === OMITTED;
  }

  /** Returns whether the record describes the inode of `stat`, changed or not. */
  isInode(record: number, stat: Stat): boolean {
    return this.#u32(record + FIELD.ino) === stat.inoLow &&
      this.#u32(record + FIELD.ino + 4) === stat.inoHigh &&
      this.devMajor(record) === stat.devMajor && this.devMinor(record) === stat.devMinor;
  }

  /**
   * Returns whether the record describes the inode of `stat`, unchanged since it was read. Compares
   * what programs can set back (mtime, size, mode, owner) and what they cannot (ctime, inode).
   */
  isUnchanged(record: number, stat: Stat): boolean {
    return this.#u32(record + FIELD.ctimeNsec) === stat.ctime.nsec &&
      this.#f64(record + FIELD.ctimeSec) === stat.ctime.sec &&
      this.#u32(record + FIELD.ino) === stat.inoLow &&
      this.#u32(record + FIELD.ino + 4) === stat.inoHigh &&
      (!stat.isFile || this.#f64(record + FIELD.size) === stat.size) &&
      this.#u32(record + FIELD.mtimeNsec) === stat.mtime.nsec &&
      this.#f64(record + FIELD.mtimeSec) === stat.mtime.sec &&
      this.mode(record) === stat.permissions &&
      this.uid(record) === stat.uid && this.gid(record) === stat.gid &&
      this.devMajor(record) === stat.devMajor && this.devMinor(record) === stat.devMinor;
  }

  /** Where in the heap an entry's attributes end. */
  #contentAt(record: number): number {
    return this.#heap(record) + this.#u32(record + FIELD.nameLength) +
      this.#u32(record + FIELD.linkLength) + this.#u32(record + FIELD.xattrLength);
  }
  #heap(record: number): number {
    return this.at + this.#u32(record + FIELD.heap);
  }
  #u32(at: number): number {
    return this.memory.view.getUint32(at, true);
  }
  #f64(at: number): number {
    return this.memory.view.getFloat64(at, true);
  }
}

/** A record, by its position, and the block that it is in. */
export interface BlockRecord {
  readonly block: Block;
  readonly record: number;
}

/** Writes the fields of `stat` that an archive can hold; a size only for files. */
export function writeStat(view: DataView, record: number, stat: Stat): void {
  view.setUint16(record + FIELD.mode, stat.permissions, true);
  view.setUint32(record + FIELD.uid, stat.uid, true);
  view.setUint32(record + FIELD.gid, stat.gid, true);
  view.setUint32(record + FIELD.mtimeNsec, stat.mtime.nsec, true);
  view.setFloat64(record + FIELD.mtimeSec, stat.mtime.sec, true);
  if (stat.isFile) view.setFloat64(record + FIELD.size, stat.size, true);
}

/** Writes the local fields of `stat`, which only this node has. */
export function writeLocal(view: DataView, record: number, stat: Stat, racy: boolean): void {
  view.setUint32(record + FIELD.ctimeNsec, racy ? RACY : stat.ctime.nsec, true);
  view.setFloat64(record + FIELD.ctimeSec, stat.ctime.sec, true);
  view.setUint32(record + FIELD.ino, stat.inoLow, true);
  view.setUint32(record + FIELD.ino + 4, stat.inoHigh, true);
  view.setUint32(record + FIELD.devMajor, stat.devMajor, true);
  view.setUint32(record + FIELD.devMinor, stat.devMinor, true);
}

/** Returns the {@link KIND} of an inode; `undefined` for a socket, which no archive can hold. */
export function kindOf(stat: Stat): number | undefined {
  return KINDS.get(stat.type);
}

const KINDS = new Map<number, number>([
  [S.IFREG, KIND.file],
  [S.IFDIR, KIND.directory],
  [S.IFLNK, KIND.symlink],
  [S.IFIFO, KIND.fifo],
  [S.IFCHR, KIND.character],
  [S.IFBLK, KIND.block],
]);

/** Encodes xattrs as a heap has them. */
export function encodeXattrs(xattrs: readonly Xattr[]): Uint8Array {
  const size = xattrs.reduce((sum, x) => sum + XATTR_HEAD + x.name.length + x.value.length, 0);
  const encoded = new Uint8Array(size);
  const view = new DataView(encoded.buffer);
  let at = 0;
  for (const { name, value } of xattrs) {
    view.setUint16(at, name.length, true);
    view.setUint32(at + 2, value.length, true);
    encoded.set(name, at + XATTR_HEAD);
    encoded.set(value, at + XATTR_HEAD + name.length);
    at += XATTR_HEAD + name.length + value.length;
  }
  return encoded;
}

/** Decodes xattrs. @throws {RangeError} if the bytes are no such list */
export function decodeXattrs(encoded: Uint8Array): Xattr[] {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.length);
  const xattrs: Xattr[] = [];
  for (let at = 0; at < encoded.length;) {
    const value = at + XATTR_HEAD + view.getUint16(at, true);
    const end = value + view.getUint32(at + 2, true);
    if (end > encoded.length || value === at + XATTR_HEAD) {
      throw new RangeError("an attribute leaves its list");
    }
    xattrs.push({
      name: encoded.slice(at + XATTR_HEAD, value),
      value: encoded.slice(value, end),
    });
    at = end;
  }
  return xattrs;
}
