/**
 * Moves entries between directories, also where the file system cannot: from one subvolume of btrfs to
 * another. What cannot be moved is copied, sharing its blocks, and then deleted.
 */

import { type Directory, isErrno, type Name } from "../linux/mod.ts";
import { deleteEntry } from "./delete_entry.ts";
import { TreeCopier } from "./tree_copier.ts";

/**
 * Moves an entry; nothing is replaced.
 * @param overflow as {@link deleteEntry} has it
 * @throws {SystemError} EEXIST where there is an entry of that name
 */
export function moveEntry(
  from: Directory,
  name: Name,
  to: Directory,
  toName: Uint8Array,
  overflow: Directory,
): void {
  try {
    from.rename(name, to, toName, { exclusive: true });
  } catch (error) {
    if (!isErrno(error, "EXDEV")) throw error;
    copyEntry(from, name, to, toName, overflow);
    deleteEntry(from, name, overflow);
  }
}

/** Copies an entry and all beneath it, or leaves nothing. */
function copyEntry(
  from: Directory,
  name: Name,
  to: Directory,
  toName: Uint8Array,
  overflow: Directory,
): void {
  let hasBegun = false;
  try {
    const onBegun = () => void (hasBegun = true);
    new TreeCopier(to).copyEntry(from, name, to, toName, { path: toName, onBegun });
  } catch (error) {
    if (hasBegun) deleteEntry(to, toName, overflow);
    throw error;
  }
}
