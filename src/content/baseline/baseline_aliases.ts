/**
 * What a baseline says of a tree that is a clone. A clone has the inodes of its source under devices of
 * its own; so that the source's baseline serves it as it is, what follows the footer says which
 * subvolume of the clone stands for which of the source, and from which state on the clone has changed.
 */

import { crc32 } from "node:zlib";
import { readFully } from "../../image/mod.ts";
import type { File } from "../../linux/mod.ts";
import type { DeviceAlias } from "../volume/device_names.ts";
import type { SubvolumeState } from "../volume/tree_state.ts";
import { copyBytes } from "./copy_bytes.ts";
import { encodeFrozenState } from "./frozen_state.ts";

/** The bytes `wsdalia1`, with which aliases end. */
export const MAGIC = 0x31_61_69_6c_61_64_73_77n;
/** u32 bytes of the state, u32 number of aliases, u32 zero, u32 checksum of all before it, u64 magic. */
export const END = 24;
const CHECKED = 12;
/** u32 major and minor of the clone's subvolume, u32 major and minor of what it stands for. */
export const ALIAS = 16;

/** What follows a baseline's footer; nothing, in most. */
export interface BaselineAliases {
  readonly aliases: DeviceAlias[];
  /** The state of the tree when it was made (`frozen_state.ts`); empty where the baseline has its own. */
  readonly state: Uint8Array;
  /** Bytes of the baseline without all this. */
  readonly size: number;
}

const NO_STATE = new Uint8Array(0);

/** Reads what follows the footer. @throws {RangeError} if it is damaged */
export function readAliases(file: File): BaselineAliases {
  const { size } = file.stat();
  const none = { aliases: [], state: NO_STATE, size };
  if (size < END) return none;
  const endBytes = readFully(file, size - END, END);
  const end = new DataView(endBytes.buffer, endBytes.byteOffset, END);
  if (end.getBigUint64(16, true) !== MAGIC) return none;
  const [stateBytes, count] = [end.getUint32(0, true), end.getUint32(4, true)];
  const bytes = stateBytes + count * ALIAS;
  if (bytes > size - END) throw new RangeError("its aliases are longer than itself");
  const body = readFully(file, size - END - bytes, bytes);
  if (crc32(endBytes.subarray(0, CHECKED), crc32(body)) !== end.getUint32(CHECKED, true)) {
    throw new RangeError("its aliases are damaged");
  }
  const view = new DataView(body.buffer, body.byteOffset + stateBytes);
  const aliases = Array.from({ length: count }, (_, n) => {
    const word = (at: number) => view.getUint32(n * ALIAS + 4 * at, true);
    return {
      name: { major: word(0), minor: word(1) },
      standsFor: { major: word(2), minor: word(3) },
    };
  });
  return { aliases, state: body.subarray(0, stateBytes), size: size - END - bytes };
}

/**
 * Appends aliases at the position of a file that ends with a baseline's footer.
 * @param state that of the tree; empty where the baseline has its own, or none
 */
export function writeAliases(
  file: File,
  aliases: readonly DeviceAlias[],
  state: readonly SubvolumeState[] = [],
): void {
  if (aliases.length === 0) return;
  const encoded = state.length === 0 ? NO_STATE : encodeFrozenState(file, state);
  const bytes = new Uint8Array(encoded.length + aliases.length * ALIAS + END);
  bytes.set(encoded);
  const view = new DataView(bytes.buffer);
  aliases.forEach(({ name, standsFor }, n) => {
    [name.major, name.minor, standsFor.major, standsFor.minor].forEach((word, at) =>
      view.setUint32(encoded.length + n * ALIAS + 4 * at, word, true)
    );
  });
  const end = bytes.length - END;
  view.setUint32(end, encoded.length, true);
  view.setUint32(end + 4, aliases.length, true);
  view.setUint32(end + CHECKED, crc32(bytes.subarray(0, end + CHECKED)), true);
  view.setBigUint64(end + 16, MAGIC, true);
  file.write(bytes);
}

/**
 * Copies a baseline for a snapshot of its tree, sharing its blocks where the file system can.
 * @param aliases what the copy has instead of those of `from`
 * @param state that of the snapshot, if somebody is going to change it
 */
export function copyBaseline(
  from: File,
  to: File,
  aliases: readonly DeviceAlias[],
  state: readonly SubvolumeState[] = [],
): void {
  copyBytes(from, to, readAliases(from).size);
  writeAliases(to, aliases, state);
}
