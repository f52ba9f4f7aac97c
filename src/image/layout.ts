/**
 * The bytes of a tree's description; little-endian, without padding except where said.
 *
 * One **block** a directory: a head, the directory's own record, the records of its entries that are
 * no directories, ordered by name, and a heap with the path, names, link targets and extended
 * attributes. Blocks are multiples of 8 bytes. The same form serves in memory while packing, in the
 * index blob (where what only this node knows is zero) and in baselines.
 */

/** Size of a record. */
export const RECORD = 96;

/** Offsets in a block's head. */
export const HEAD = {
  /** u32: bytes of the block. */
  length: 0,
  /** u32: records besides the directory's own. */
  count: 4,
  /** u32: bytes of the path, with which the heap begins; 0 for the top folder. */
  pathLength: 8,
  /** u32, what only this node knows: sockets in the directory, which have no record. */
  sockets: 12,
  size: 16,
} as const;

/** Offsets in a record. */
export const FIELD = {
  /** u8, one of {@link KIND}. */
  kind: 0,
  /** u8, of {@link FLAG}. */
  flags: 1,
  /** u16: permission, set-id and sticky bits. */
  mode: 2,
  uid: 4,
  gid: 8,
  mtimeNsec: 12,
  /** f64, as all that follow which may exceed 32 bits. */
  mtimeSec: 16,
  /** Apparent size of a file; a device's major number. */
  size: 24,
  /**
   * Where the content begins in the uncompressed layer; of a list of chunks how many there are; a
   * device's minor number.
   */
  offset: 32,
  /** Bytes that the layer has of a file: fewer than its size where it is sparse. */
  stored: 40,
  /** u32: which layer holds the content. */
  layer: 48,
  /** u32: where in the block the name begins; target and attributes follow it. */
  heap: 52,
  nameLength: 56,
  /** u32: target of a symlink; path of what a hard link is another name of. */
  linkLength: 60,
  xattrLength: 64,
  /** The first field that only this node knows: u32 nanoseconds, {@link RACY} or {@link OMITTED}. */
  ctimeNsec: 68,
  ctimeSec: 72,
  /** u64. */
  ino: 80,
  devMajor: 88,
  devMinor: 92,
} as const;

/** First byte of a record that only this node knows. */
export const LOCAL_FIELDS = FIELD.ctimeNsec;

/** Kinds of entries. */
export const KIND = {
  /** Vanished while it was packed; never in an index or a baseline. */
  gone: 0,
  file: 1,
  directory: 2,
  symlink: 3,
  fifo: 4,
  character: 5,
  block: 6,
  /** A hard link: another name of the inode that some other record describes. */
  link: 7,
} as const;

/** Flags of an entry, a bit each. */
export const FLAG = {
  /** The content begins with a GNU sparse map, version 1.0. */
  sparse: 1,
  /** The inode had more names than this one. */
  linked: 2,
  /** The heap has the SHA-256 digest of the content as it is stored. */
  digest: 4,
  /** The content is a list of chunks, which the heap has. */
  chunked: 8,
  /**
   * The place of the content belongs to another path or other metadata, so that the layers alone do not
   * give this entry.
   */
  displaced: 16,
} as const;

/** Bytes of the digest that an entry with {@link FLAG.digest} has in its heap. */
export const DIGEST_BYTES = 32;

/** In place of a layer's number: the content is a list of chunks. */
export const CHUNKED_LAYER = 0xffff_ffff;

/** In place of nanoseconds: changed so shortly before it was read that a later change may not show. */
export const RACY = 0xffff_ffff;

/**
 * In place of nanoseconds: this node could not make the entry when it restored the image, so that its
 * absence does not mean that anybody deleted it.
 */
export const OMITTED = 0xffff_fffe;

/** Numbers that stand for layers while packing; the final ones are known once every part is done. */
export const TEMPORARY_LAYER = {
  /** A new layer's number is this and more. */
  first: 0x4000_0000,
  /** A large file that some Worker packs as a layer of its own; `offset` has its key. */
  largeFile: 0xffff_fffe,
  /** A link whose file is not found yet. */
  link: 0xffff_ffff,
} as const;

/** One extended attribute. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** In the heap: u16 length of the name, u32 length of the value, name, value. */
export const XATTR_HEAD = 6;
