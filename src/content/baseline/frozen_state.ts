/**
 * What a baseline says of the frozen tree that it describes: the state of each subvolume, from which
 * on the file system is asked for changes.
 *
 * A state is worth nothing on another disk, or on an older copy of this one, whose transactions after
 * that copy have the same numbers and other content. So the baseline has to be on the file system of
 * the tree, and says which inode it is itself and when that was made: a disk that is put back takes
 * its baselines back with it, and a baseline that is put there from elsewhere is another inode.
 */

import type { Birth, File } from "../../linux/mod.ts";
import type { SubvolumeState } from "../volume/tree_state.ts";

/** The bytes `wsdfrzn1`, with which a state begins. */
export const MAGIC = 0x31_6e_7a_72_66_64_73_77n;
/** u64 magic, u64 inode, i64 seconds and u32 nanoseconds of its birth, u32 subvolumes. */
const HEAD = 32;
/** The UUID's 16 bytes, u64 generation. */
const SUBVOLUME = 24;

/** Encodes the state of a frozen tree for the baseline that is written into `file`; empty where it cannot be. */
export function encodeFrozenState(file: File, state: readonly SubvolumeState[]): Uint8Array {
  const birth = file.birth();
  if (!birth) return new Uint8Array(0);
  const bytes = new Uint8Array(HEAD + state.length * SUBVOLUME);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setBigUint64(8, birth.ino, true);
  view.setBigInt64(16, BigInt(birth.time.sec), true);
  view.setUint32(24, birth.time.nsec, true);
  view.setUint32(28, state.length, true);
  state.forEach(({ uuid, generation }, n) => {
    bytes.set(Uint8Array.fromHex(uuid), HEAD + n * SUBVOLUME);
    view.setBigUint64(HEAD + n * SUBVOLUME + 16, generation, true);
  });
  return bytes;
}

/**
 * Decodes what {@link encodeFrozenState} made.
 * @param bytes of a verified baseline; what another version has put there is no state
 * @returns the state, or why there is none that could be gone by
 */
export function decodeFrozenState(
  bytes: Uint8Array,
  birth: Birth | undefined,
): { state: SubvolumeState[]; problem?: undefined } | { problem: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEAD || view.getBigUint64(0, true) !== MAGIC) {
    return { problem: "the last image is not that of a frozen tree" };
  }
  const isSame = birth !== undefined && view.getBigUint64(8, true) === birth.ino &&
    view.getBigInt64(16, true) === BigInt(birth.time.sec) &&
    view.getUint32(24, true) === birth.time.nsec;
  if (!isSame) return { problem: "the baseline is a copy of the one that was written" };
  const count = view.getUint32(28, true);
  if (bytes.length !== HEAD + count * SUBVOLUME) {
    return { problem: "the baseline's state is of another length" };
  }
  const state = Array.from({ length: count }, (_, n) => {
    const at = HEAD + n * SUBVOLUME;
    return {
      uuid: bytes.slice(at, at + 16).toHex(),
      generation: view.getBigUint64(at + 16, true),
    };
  });
  return { state };
}
