/**
 * Reads what an image says of itself in the superblock of btrfs (`struct btrfs_super_block` of
 * `linux/btrfs_tree.h`), without mounting it.
 */

/** Where the first copy of the superblock is, and how long it is, in bytes. */
const AT = 65_536;
const BYTES = 4096;
const MAGIC = "_BHRfS_M";
/** Offsets of its fields. */
const FIELD = { UUID: 32, MAGIC: 64, TOTAL_BYTES: 112, LABEL: 299 } as const;
const LABEL_BYTES = 256;

/** A btrfs, as its superblock describes it. */
export interface Superblock {
  /** In the form that `blkid` and `/dev/disk/by-uuid` have. */
  readonly uuid: string;
  readonly label: string;
  /** Size of the file system. Its device may be larger. */
  readonly totalBytes: number;
}

/**
 * Returns the superblock in a file or device; `undefined` where there is none. Rejects where that cannot be
 * read.
 */
export async function readSuperblock(path: string): Promise<Superblock | undefined> {
  const bytes = new Uint8Array(BYTES);
  using file = await Deno.open(path);
  await file.seek(AT, Deno.SeekMode.Start);
  for (let read = 0; read < BYTES;) {
    const more = await file.read(bytes.subarray(read));
    if (more === null) return undefined;
    read += more;
  }
  const text = (from: number, length: number) => {
    const field = bytes.subarray(from, from + length);
    const end = field.indexOf(0);
    return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
  };
  if (text(FIELD.MAGIC, MAGIC.length) !== MAGIC) return undefined;
  const hex = bytes.subarray(FIELD.UUID, FIELD.UUID + 16).toHex();
  return {
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    label: text(FIELD.LABEL, LABEL_BYTES),
    totalBytes: Number(new DataView(bytes.buffer).getBigUint64(FIELD.TOTAL_BYTES, true)),
  };
}
