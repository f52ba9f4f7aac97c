/**
 * Bases: read-only trees that the node keeps of images, to start workspaces from by cloning them.
 * `src/snapshot` decides which there are; `operations/bases.ts` makes them.
 *
 * A base is named by the manifest digest of its image. Beside its tree are its facts and the baseline
 * of its clones (docs/formats.md). It counts as soon as its tree has its name, which it gets last.
 */

import type { Omissions } from "./omissions.ts";
import type { Tree } from "./tree.ts";
import type { DeviceAlias } from "./volume/device_names.ts";

/** What starting a workspace from a base reports, as restoring its image would. */
export interface BaseFacts {
  readonly files: number;
  /** Apparent bytes of regular files. */
  readonly contentBytes: number;
  /** Bytes on disk, as limits count them; absent until they are measured. */
  readonly diskBytes?: number;
  /** What its restore left out of the image; nothing in a base that was saved here. */
  readonly omitted: Omissions;
}

/** A base that is there. */
export interface BaseRecord extends BaseFacts {
  /** Hexadecimal digits of its image's manifest digest. */
  readonly id: string;
  /** Milliseconds since the epoch when it was made or cloned last. */
  readonly usedAt: number;
}

/** A frozen copy of a tree. */
export interface FrozenCopy {
  readonly tree: Tree;
  /** Its subvolumes, and what they are copies of. */
  readonly aliases: readonly DeviceAlias[];
}

/** A tree that is to be a base. */
export interface NewBase {
  /** Hexadecimal digits of its image's manifest digest. */
  readonly id: string;
  readonly facts: BaseFacts;
  /** The baseline that describes the tree, by its token or name; it stays. Absent for none. */
  readonly baseline?: string;
}

/** What can be done with bases; failures are DaemonErrors, with codes as in `Content`. */
export interface Bases {
  /** Lists the bases, in no order; what is half-made is among `Content.leftovers`. */
  list(): Promise<BaseRecord[]>;
  /** Makes an empty tree, to be filled and made a base by {@link seal}. */
  make(): Promise<Tree>;
  /**
   * Makes a tree that was filled here a base, in one step. Its content is durable then; a loss of power
   * may take the base itself away.
   * @throws {DaemonError} ALREADY_EXISTS if there is a base of that image
   */
  seal(tree: Tree, base: NewBase): Promise<void>;
  /**
   * Makes the frozen copy of a tree a base, as {@link seal} does.
   * @returns false, and deletes it, if a restore would not make what it holds: its files have labels
   *   of this node
   */
  adopt(copy: FrozenCopy, base: NewBase): Promise<boolean>;
  /**
   * Replaces an empty staging tree by a writable clone of a base. The clone is durable, once its name
   * is: see `Content.publish`. After a failure the staging tree is there and empty.
   * @returns the token of an uncommitted baseline, if the base has one
   * @throws {DaemonError} FAILED_PRECONDITION if it is no base
   */
  clone(id: string, tree: Tree): Promise<{ newBaseline?: string }>;
  /**
   * Returns the bytes that a base takes on disk, as limits count them, and notes them.
   * @throws {DaemonError} FAILED_PRECONDITION if it is no base
   */
  measure(id: string): Promise<number>;
  /** Deletes a base, or what was to become one. Succeeds if it does not exist. */
  remove(name: string): Promise<void>;
  /** Deletes what `Content.leftovers` found half-made, unless a base that was made since has it. */
  removeHalfMade(name: string): Promise<void>;
  /** Returns the bytes of the file system that bases are on. */
  space(): Promise<{ size: number; free: number }>;
}
