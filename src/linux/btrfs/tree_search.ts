/** `TREE_SEARCH_V2`: items of btrfs's trees, and the inodes that have changed since a generation. */

import { Argument, type BtrfsHandle, callIoctl, IOCTL, SIZE } from "./ioctl.ts";

/** What to look for: the items whose keys lie between two keys. */
export interface TreeSearch {
  /** Id of the tree; 0 for the subvolume that the handle is in. */
  readonly tree: bigint;
  readonly minObject: bigint;
  readonly maxObject: bigint;
  readonly minType: number;
  readonly maxType: number;
  /** Only items in blocks that this transaction or a later one has written. */
  readonly minGeneration?: bigint;
  /** Only items of this type. */
  readonly only?: number;
}

/** An item, valid during the call that it is given to. */
export interface TreeItem {
  readonly object: bigint;
  readonly type: number;
  readonly offset: bigint;
  readonly item: DataView;
}

const MAX = 2n ** 64n - 1n;
/** Bytes for the items of one answer. The largest item is smaller than a block: at most 64 KiB. */
const ITEMS_BYTES = 256 * 1024;
/** Offsets in `struct btrfs_ioctl_search_key`. */
const KEY = {
  TREE: 0,
  MIN_OBJECT: 8,
  MAX_OBJECT: 16,
  MIN_OFFSET: 24,
  MAX_OFFSET: 32,
  MIN_GENERATION: 40,
  MAX_GENERATION: 48,
  MIN_TYPE: 56,
  MAX_TYPE: 60,
  COUNT: 64,
  BUFFER_SIZE: SIZE.searchKey,
} as const;
const BUFFER = SIZE.searchKey + 8;
/** Offsets in `struct btrfs_ioctl_search_header`. */
const HEADER = { OBJECT: 8, OFFSET: 16, TYPE: 24, LENGTH: 28, SIZE: 32 } as const;

/** Reused: a Worker does one search at a time. */
let argument: Argument | undefined;

/**
 * Calls `visit` for every item whose key lies in the range, in their order. (Keys are compared as
 * wholes: between two objects, items of all types are met.)
 * @throws {SystemError} ENOENT where there is no such tree; EPERM without `CAP_SYS_ADMIN`
 */
export function searchTree(
  at: BtrfsHandle,
  search: TreeSearch,
  visit: (item: TreeItem) => void,
): void {
  const args = argument ??= new Argument(BUFFER + ITEMS_BYTES);
  const { view } = args;
  const next = { object: search.minObject, type: search.minType, offset: 0n };
  const { only } = search;
  for (;;) {
    args.bytes.fill(0, 0, BUFFER);
    args.set(KEY.TREE, search.tree);
    args.set(KEY.MIN_OBJECT, next.object);
    args.set(KEY.MAX_OBJECT, search.maxObject);
    args.set(KEY.MIN_OFFSET, next.offset);
    args.set(KEY.MAX_OFFSET, MAX);
    args.set(KEY.MIN_GENERATION, search.minGeneration ?? 0n);
    args.set(KEY.MAX_GENERATION, MAX);
    view.setUint32(KEY.MIN_TYPE, next.type, true);
    view.setUint32(KEY.MAX_TYPE, search.maxType, true);
    view.setUint32(KEY.COUNT, 0xffff_ffff, true);
    args.set(KEY.BUFFER_SIZE, BigInt(ITEMS_BYTES));
    callIoctl(at, IOCTL.treeSearch, args);
    const count = view.getUint32(KEY.COUNT, true);
    if (count === 0) return;
    for (let n = 0, start = BUFFER; n < count; n++) {
      const type = view.getUint32(start + HEADER.TYPE, true);
      const length = view.getUint32(start + HEADER.LENGTH, true);
      const isLast = n === count - 1;
      if (isLast || only === undefined || only === type) {
        const object = view.getBigUint64(start + HEADER.OBJECT, true);
        const offset = view.getBigUint64(start + HEADER.OFFSET, true);
        if (isLast) Object.assign(next, { object, type, offset });
        if (only === undefined || only === type) {
          const item = new DataView(args.bytes.buffer, start + HEADER.SIZE, length);
          visit({ object, type, offset, item });
        }
      }
      start += HEADER.SIZE + length;
    }
    if (!advance(next)) return;
  }
}

/** Advances a key to the next one. @returns false where there is none */
function advance(key: { object: bigint; type: number; offset: bigint }): boolean {
  if (key.offset < MAX) {
    key.offset++;
  } else if (key.type < 0xff) {
    key.offset = 0n;
    key.type++;
  } else {
    if (key.object === MAX) return false;
    key.offset = 0n;
    key.type = 0;
    key.object++;
  }
  return true;
}

const INODE_ITEM = 1;
/** `BTRFS_FIRST_FREE_OBJECTID` and `BTRFS_LAST_FREE_OBJECTID`, which inodes of files lie between. */
const [FIRST_INODE, LAST_INODE] = [256n, 2n ** 64n - 256n];

/** An inode that has changed, as its item says. */
export interface ChangedInode {
  readonly inode: bigint;
  /** Type and permission bits. */
  readonly mode: number;
  /** How many names it has; 0 where it is open and deleted. */
  readonly nlink: number;
}

/**
 * Lists the inodes of a subvolume whose item a transaction later than `generation` has written: all whose
 * content, metadata or entries changed since then, and some that were only moved about. Inodes that
 * are gone are not among them, but the directories are that they were in.
 * @param top the subvolume's top folder
 * @throws {SystemError} EPERM without `CAP_SYS_ADMIN`
 */
export function changedInodes(
  top: BtrfsHandle,
  generation: bigint,
  visit: (changed: ChangedInode) => void,
): void {
  const search = {
    tree: 0n,
    minObject: FIRST_INODE,
    maxObject: LAST_INODE,
    minType: INODE_ITEM,
    maxType: INODE_ITEM,
    only: INODE_ITEM,
    minGeneration: generation + 1n,
  };
  searchTree(top, search, ({ object, item }) => {
    // `struct btrfs_inode_item`: its transaction is at 8, nlink at 40, the mode at 52.
    if (item.getBigUint64(8, true) <= generation) return;
    visit({ inode: object, mode: item.getUint32(52, true), nlink: item.getUint32(40, true) });
  });
}

/** Id of the tree of trees, the object of its orphans (-5) and their type. */
const [ROOT_TREE, ORPHAN_OBJECT, ORPHAN_ITEM] = [1n, 2n ** 64n - 5n, 48];

/**
 * Returns the ids of the subvolumes that are deleted and whose space is not yet free. The kernel keeps
 * an orphan item of each until it has taken it apart, which it does in the background once nobody has
 * it open.
 * @throws {SystemError} EPERM without `CAP_SYS_ADMIN`
 */
export function deletedSubvolumes(at: BtrfsHandle): bigint[] {
  const found: bigint[] = [];
  searchTree(at, {
    tree: ROOT_TREE,
    minObject: ORPHAN_OBJECT,
    maxObject: ORPHAN_OBJECT,
    minType: ORPHAN_ITEM,
    maxType: ORPHAN_ITEM,
  }, ({ object, type, offset }) => {
    if (object === ORPHAN_OBJECT && type === ORPHAN_ITEM) found.push(offset);
  });
  return found;
}
