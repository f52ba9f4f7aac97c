/**
 * What the file system of a root can do with whole trees.
 *
 * Every file system can make a tree and delete one. Some can do more: make a copy that shares its
 * blocks, freeze a tree as of one point in time, limit what it may take, and tell what changed in it.
 * What a volume cannot do is absent from it, and callers do that work themselves: they unpack instead
 * of cloning, pack the live tree instead of a frozen one, and walk instead of asking.
 *
 * Volumes work on handles, in content Workers only. Names are components.
 */

import type { DeviceName, Directory } from "../../linux/mod.ts";
import type { RemovalOptions, Removed } from "../delete_entry.ts";
import type { DeviceAlias } from "./device_names.ts";
import type { SubvolumeState } from "./tree_state.ts";

/** The implementations. */
export type VolumeKind = "plain" | "btrfs";

/** Trees of one file system. */
export interface Volume {
  readonly kind: VolumeKind;
  /**
   * Makes an empty tree, which belongs to this process's user; its mode is for the caller to set.
   * @throws {SystemError} EEXIST
   */
  make(parent: Directory, name: string): void;
  /**
   * Deletes a tree and everything in it, trees that others made there included; never anything
   * outside.
   * @param overflow a directory on the same file system that only this user can reach
   * @throws {DaemonError} the first failure; the rest is deleted, and the call can be repeated
   */
  remove(parent: Directory, name: string, overflow: Directory, options?: RemovalOptions): Removed;
  /** Absent where trees can be copied by reading and writing only. */
  readonly snapshots?: Snapshots;
  /** Absent where nothing limits a tree. */
  readonly limits?: Limits;
}

/** Copies of trees that share their blocks until one of them is changed. */
export interface Snapshots {
  /**
   * Makes a writable copy of a tree, also of a frozen one; of trees within it, too.
   * @param options.isDurable whether all of the source is: then nothing is written back first
   * @throws {SystemError} EEXIST
   */
  clone(
    source: Directory,
    parent: Directory,
    name: string,
    options?: { isDurable?: boolean },
  ): Clone;
  /**
   * Makes a read-only copy of a tree as of one point in time: with everything that was written
   * before the call. Of what is written during the call, each file has a part, as after a loss of
   * power; trees within the tree are shown a little later each. A frozen tree takes room only for
   * what changes in the tree afterwards.
   * @throws {SystemError} EEXIST; EAGAIN where trees within kept being moved about meanwhile
   */
  freeze(source: Directory, parent: Directory, name: string): Freeze;
  /**
   * Returns the state of a tree, which equals that of a {@link Freeze} as long as nothing in it has
   * changed since then; `undefined` where that cannot be told. Writes the file system's dirty pages
   * back first.
   * @param options.isSynced whether the state as of what is written back already is enough
   */
  state(top: Directory, options?: { isSynced?: boolean }): string | undefined;
  /**
   * Lists the inodes that changed in a tree, or may have, between two freezes; see
   * {@link TreeChanges}.
   * @param frozen the later freeze
   * @param since the state of the earlier one
   * @param limit the most inodes that are worth a list
   */
  changedSince(frozen: Directory, since: string, limit: number): TreeChanges;
}

/** A copy of a tree, and of the trees within it. */
export interface Clone {
  /** The names of the copies, and those of what they are copies of. */
  readonly aliases: DeviceAlias[];
  /** What the copies are as long as nobody changes them. */
  readonly copies: SubvolumeState[];
}

/** A tree that was frozen. */
export interface Freeze extends Clone {
  /** What the devices of the copy are called in baselines: as those of the tree itself. */
  readonly devices: DeviceName[];
  /** The state of the tree that the copy shows; see {@link Snapshots.state}. */
  readonly state: string;
}

/** What changed in one subvolume of a tree. */
export interface ChangedSubvolume {
  /** What its device is called in baselines. */
  readonly device: Pick<DeviceName, "major" | "minor">;
  readonly inodes: ReadonlySet<number>;
}

/** What changed in those subvolumes of a tree that were there before, or why that cannot be told. */
export type TreeChanges =
  | { readonly subvolumes: readonly ChangedSubvolume[]; readonly problem?: undefined }
  | { readonly problem: string };

/** Limits that the kernel holds every process to, and the use that they are compared with. */
export interface Limits {
  /**
   * Limits what a tree and the trees made within it take together, from now on and across restarts;
   * what exceeds the limit stays, and the next write fails with EDQUOT.
   * @param outside a directory that is in no limited tree, so that this itself is not refused
   * @param bytes absent for no limit
   * @returns false where this tree cannot be limited, as it was made by another volume
   */
  limit(outside: Directory, top: Directory, bytes?: number): boolean;
  /** Returns what trees take, as of the last seconds, by the key that {@link keyOf} tells. */
  usages(outside: Directory): Map<bigint, VolumeUsage>;
  /** Returns the key of a tree; `undefined` where it is not limited. */
  keyOf(top: Directory): bigint | undefined;
  /** Forgets limits of trees that are gone. */
  sweep(outside: Directory): void;
}

/** What a tree takes and may take, in bytes. */
export interface VolumeUsage {
  readonly bytes: number;
  readonly limit?: number;
}
