/**
 * Which Worker packs the content of an inode with several names: the first that claims it. What does
 * not fit the table is claimed by none, and packed when the parts are merged.
 */

import type { Stat } from "../../linux/mod.ts";

const SLOTS = 1 << 18;
const MAX_PROBES = 64;
const MULTIPLIER = 0x9e3779b97f4a7c15n;

export class InodeClaims {
  readonly #slots: BigInt64Array;

  /** Memory for a table without claims. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(SLOTS * 8);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#slots = new BigInt64Array(memory);
  }

  /** Whether the inode is the caller's to pack. Two that look alike to the table cost no content. */
  claim(stat: Stat): boolean {
    const device = BigInt(stat.devMajor) << 20n | BigInt(stat.devMinor);
    const key = BigInt.asIntN(64, (stat.ino ^ device << 40n) * MULTIPLIER) || 1n;
    let slot = Number(BigInt.asUintN(18, key >> 40n));
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const found = Atomics.compareExchange(this.#slots, slot, 0n, key);
      if (found === 0n) return true;
      if (found === key) return false;
      slot = (slot + 1) % SLOTS;
    }
    return false;
  }
}
