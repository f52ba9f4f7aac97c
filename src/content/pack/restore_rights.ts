/** Notices while packing what a process with the rights of this one could not restore. */

import { effectiveUser, joinPath, S, type Stat } from "../../linux/mod.ts";
import type { Abilities } from "../abilities.ts";
import { type Block, KIND, type Xattr } from "../../image/mod.ts";
import type { PartStats } from "./part_stats.ts";

const USER_NAMESPACE = new TextEncoder().encode("user.");

/** What of an inode matters here. */
type CheckedStat = Pick<Stat, "uid" | "gid" | "type" | "rdevMajor" | "rdevMinor">;

/** Checks entries against what this process can make and set, and counts what it cannot. */
export class RestoreRights {
  readonly #abilities: Abilities;
  readonly #stats: PartStats;
  readonly #user = effectiveUser();

  constructor(abilities: Abilities, stats: PartStats) {
    this.#abilities = abilities;
    this.#stats = stats;
  }

  /** Checks the entry that a record describes. */
  checkRecord(block: Block, record: number): void {
    // Called for each entry that is taken over: nothing is allocated for an ordinary one.
    const isOrdinary = typeOf(block.kind(record)) === 0 && !block.hasXattrs(record) &&
      this.#canOwn(block.uid(record), block.gid(record));
    if (isOrdinary) return;
    const xattrs = block.xattrs(record);
    const stat = {
      uid: block.uid(record),
      gid: block.gid(record),
      type: typeOf(block.kind(record)),
      rdevMajor: block.size(record),
      rdevMinor: block.offset(record),
    };
    this.check({ stat, xattrs }, () => joinPath(block.path, block.name(record)));
  }

  /** Checks one entry. Called for each: an ordinary one costs a few comparisons only. */
  check(
    { stat, xattrs }: { readonly stat: CheckedStat; readonly xattrs: readonly Xattr[] },
    path: () => Uint8Array,
  ): void {
    if (!this.#canOwn(stat.uid, stat.gid)) this.#stats.addUnrestorable("owner", path());
    const { type } = stat;
    if (type === S.IFCHR || type === S.IFBLK) {
      const canMake = this.#abilities.canMakeDevice(stat.rdevMajor, stat.rdevMinor);
      if (!canMake) this.#stats.addUnrestorable("device", path());
    }
    for (const xattr of xattrs) {
      if (isUserXattr(xattr) || this.#abilities.canSetXattr(xattr)) continue;
      this.#stats.addUnrestorable("xattr", path());
    }
  }

  /** Returns whether an entry can be given that owner. */
  #canOwn(uid: number, gid: number): boolean {
    const isOurs = uid === this.#user.uid && gid === this.#user.gid;
    return isOurs || this.#abilities.canChown();
  }
}

/** Returns the part of an inode's mode that says what it is, for a record of a device; else 0. */
function typeOf(kind: number): number {
  if (kind === KIND.character) return S.IFCHR;
  return kind === KIND.block ? S.IFBLK : 0;
}

/** Returns whether an xattr is in the `user` namespace, which needs no rights. */
function isUserXattr({ name }: Xattr): boolean {
  return USER_NAMESPACE.every((byte, at) => name[at] === byte);
}
