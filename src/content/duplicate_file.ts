/** Copies a file with its holes and metadata, where it can be neither linked nor moved. */

import type { Directory, File, Name } from "../linux/mod.ts";
import { readXattrs } from "./read_xattrs.ts";

/**
 * Errors for a hard link that a file system refuses: the inode has too many, or the file system has
 * no hard links at all, or the kernel's `protected_hardlinks` refuses this one.
 */
export const LINK_REFUSALS = ["EMLINK", "EPERM", "EOPNOTSUPP"] as const;

/**
 * Creates the file `toName` with the content, holes and metadata of the file `name`.
 * @throws {SystemError} EEXIST if there is an entry of that name
 */
export function duplicateFile(
  from: Directory,
  name: Name,
  to: Directory,
  toName: Uint8Array,
): void {
  using original = from.openFile(name);
  using copy = to.createFile(toName);
  const { uid, gid, permissions, mtime, size } = original.stat();
  copyData(original, copy, size);
  const { uid: ownUid, gid: ownGid } = copy.stat();
  if (uid !== ownUid || gid !== ownGid) copy.chown(uid, gid);
  for (const { name, value } of readXattrs(original, () => {})) copy.setXattr(name, value);
  copy.chmod(permissions);
  copy.setTimes(mtime);
}

function copyData(from: File, to: File, size: number): void {
  to.truncate(size);
  let end = 0;
  for (let extent = from.nextData(0); extent; extent = from.nextData(end)) {
    end = extent.offset + extent.length;
    from.seek(extent.offset);
    to.seek(extent.offset);
    for (let left = extent.length; left > 0;) {
      const count = to.copyFrom(from, left);
      if (count === 0) return;
      left -= count;
    }
  }
}
