/**
 * Snapshots of a tree with the subvolumes that its owner made within it.
 *
 * The kernel's snapshot of a subvolume has an empty folder in place of each subvolume within. Those are
 * replaced by snapshots of their own, and only then is a frozen tree made read-only. Nobody but this
 * process reaches the copy meanwhile; the source may change at any moment.
 */

import {
  createSnapshot,
  type DeviceName,
  Directory,
  inodePath,
  isErrno,
  type NestedSubvolume,
  nestedSubvolumePath,
  nestedSubvolumes,
  openLongPath,
  setReadOnlySubvolume,
  subvolumeInfo,
  SystemError,
} from "../../linux/mod.ts";
import { deleteEntry } from "../delete_entry.ts";
import { deviceName, deviceNameOf } from "./device_names.ts";
import { formatState, type SubvolumeState } from "./tree_state.ts";
import type { Freeze } from "./volume.ts";

/** How often a tree is copied again because subvolumes within were moved about meanwhile. */
const ATTEMPTS = 5;
/** `BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`: the inode number of a folder in the place of a subvolume. */
const PLACEHOLDER_INODE = 2n;

/** How a tree is copied. */
export interface SnapshotOptions {
  readonly readOnly: boolean;
  /** Whether nothing of the source is still to be written: it was frozen, and that is durable. */
  readonly isDurable?: boolean;
}

/**
 * Makes a snapshot of a tree and of the subvolumes within it.
 * @param parent a directory that only this user can reach
 * @returns the devices of the copies, named as those of what they are copies of, and the state shown
 * @throws {SystemError} EEXIST; EAGAIN where subvolumes within kept being moved about; ENAMETOOLONG
 *   where one lies deeper than can be told
 */
export function snapshotTree(
  source: Directory,
  parent: Directory,
  name: string,
  { readOnly, isDurable = false }: SnapshotOptions,
): Freeze {
  for (let attempt = 1;; attempt++) {
    // The kernel's snapshot passes over pages whose older content is being written at that moment:
    // what was written before it would be missing, or be zeros in a file that is new.
    if (!isDurable) source.syncFileSystem();
    createSnapshot(source, parent, name);
    try {
      using copy = parent.openDirectory(name);
      const copies = [describeCopy(source, copy), ...copyNested(source, copy, readOnly)];
      if (readOnly) setReadOnlySubvolume(copy, true);
      return {
        devices: copies.map(({ device }) => device),
        aliases: copies.map(({ uuid, state }) => ({
          name: deviceNameOf(uuid),
          standsFor: deviceNameOf(state.uuid),
        })),
        copies: copies.map(({ uuid, state: { generation } }) => ({ uuid, generation })),
        state: formatState(copies.map(({ state }) => state)),
      };
    } catch (error) {
      deleteEntry(parent, name, parent);
      if (!isErrno(error, "EAGAIN") || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Puts snapshots of the subvolumes within `source` into its snapshot `copy` */
function copyNested(source: Directory, copy: Directory, readOnly: boolean): Copy[] {
  const copies: Copy[] = [];
  const { createdGeneration } = subvolumeInfo(copy);
  for (const nested of nestedSubvolumes(source)) {
    const found = openNested(source, nested);
    if (!found) continue;
    using inner = found.directory;
    using dir = openFolder(copy, nested.directoryInode);
    if (!dir || !isPlaceholder(dir, found.name)) {
      // One that was made after the snapshot is no part of it; any other was elsewhere then.
      if (subvolumeInfo(inner).createdGeneration > createdGeneration) continue;
      throw new SystemError("EAGAIN", "snapshot", inner.path);
    }
    const { mtime } = dir.stat();
    dir.removeDirectory(found.name);
    createSnapshot(inner, dir, found.name);
    using innerCopy = dir.openDirectory(found.name);
    copies.push(describeCopy(inner, innerCopy), ...copyNested(inner, innerCopy, readOnly));
    if (readOnly) setReadOnlySubvolume(innerCopy, true);
    dir.setTimes(mtime);
  }
  return copies;
}

/** One copy of a subvolume. */
interface Copy {
  readonly device: DeviceName;
  readonly uuid: string;
  /** State of what it is a copy of. */
  readonly state: SubvolumeState;
}

/**
 * Describes a snapshot that was just made. The kernel gives the transaction that makes a snapshot to
 * the source, too: as long as that is its generation, nothing in it has changed.
 */
function describeCopy(source: Directory, copy: Directory): Copy {
  const { createdGeneration, uuid } = subvolumeInfo(copy);
  return {
    device: deviceName(copy, source),
    uuid,
    state: { uuid: subvolumeInfo(source).uuid, generation: createdGeneration },
  };
}

/**
 * Returns the state of a tree, to be compared with that of a {@link Freeze}, as of what was synced
 * before; `undefined` where subvolumes within are being moved about.
 * @throws {SystemError}
 */
export function stateOf(source: Directory): string | undefined {
  try {
    return formatState(statesOf(source));
  } catch (error) {
    if (isErrno(error, "EAGAIN", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

function statesOf(source: Directory): SubvolumeState[] {
  const { uuid, generation } = subvolumeInfo(source);
  const within = nestedSubvolumes(source).flatMap((nested) => {
    const found = openNested(source, nested);
    if (!found) return [];
    using inner = found.directory;
    return statesOf(inner);
  });
  return [{ uuid, generation }, ...within];
}

/**
 * Opens a subvolume within another; the caller closes it.
 * @returns `undefined` where it is gone
 * @throws {SystemError} EAGAIN where it is being moved about
 */
export function openNested(
  source: Directory,
  nested: NestedSubvolume,
): { directory: Directory; name: Uint8Array } | undefined {
  let path: ReturnType<typeof nestedSubvolumePath>;
  try {
    path = nestedSubvolumePath(source, nested);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  const { parent, name } = path;
  try {
    using dir = openLongPath(source, parent);
    using stack = new DisposableStack();
    const directory = stack.use(dir.openDirectory(name));
    if (subvolumeInfo(directory).id === nested.id) {
      stack.move();
      return { directory, name };
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
  }
  throw new SystemError("EAGAIN", "snapshot", source.pathOf(name));
}

/** Opens the directory with that inode number; `undefined` where there is none. */
function openFolder(copy: Directory, inode: bigint): Directory | undefined {
  try {
    return openLongPath(copy, inodePath(copy, inode));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isPlaceholder(dir: Directory, name: Uint8Array): boolean {
  try {
    return dir.statEntry(name).ino === PLACEHOLDER_INODE;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
