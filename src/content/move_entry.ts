/**
 * Moves entries between directories, also where the file system cannot: from one subvolume of btrfs to
 * another. What cannot be moved is copied, sharing its blocks, and then deleted.
 */

import { type Directory, isErrno, joinPath, type Name, S, type Stat } from "../linux/mod.ts";
import { deleteEntry } from "./delete_entry.ts";
import { duplicateFile } from "./duplicate_file.ts";
import { readXattrs } from "./read_xattrs.ts";

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
  const copier = new Copier(to);
  try {
    copier.copy({ dir: from, name }, to, toName, toName);
  } catch (error) {
    if (copier.hasBegun) deleteEntry(to, toName, overflow);
    throw error;
  }
}

/** Copies one entry with its metadata; names of one inode stay names of one inode. */
class Copier {
  /** Paths beneath the target of files that have several names, by inode. */
  readonly #linked = new Map<string, Uint8Array>();
  /** Whether the entry is there, at least in part. */
  hasBegun = false;

  constructor(private readonly target: Directory) {}

  copy(
    source: { dir: Directory; name: Name },
    to: Directory,
    toName: Uint8Array,
    path: Uint8Array,
  ) {
    const { dir, name } = source;
    const stat = dir.statEntry(name);
    if (stat.isDirectory) return this.#directory(dir, name, to, toName, path);
    const linked = stat.nlink > 1 ? this.#linked.get(stat.identity) : undefined;
    if (linked !== undefined) return this.target.link(linked, to, toName);
    if (stat.isFile) duplicateFile(dir, name, to, toName);
    else copySpecial(dir, name, stat, to, toName);
    this.hasBegun = true;
    if (stat.nlink > 1) this.#linked.set(stat.identity, path);
  }

  #directory(dir: Directory, name: Name, to: Directory, toName: Uint8Array, path: Uint8Array) {
    using original = dir.openDirectory(name);
    to.makeDirectory(toName, 0o700);
    this.hasBegun = true;
    using copy = to.openDirectory(toName);
    for (const { name: entry } of [...original.entries()]) {
      this.copy({ dir: original, name: entry }, copy, entry, joinPath(path, entry));
    }
    const { uid, gid, permissions, mtime } = original.stat();
    copy.chown(uid, gid);
    for (const { name: key, value } of readXattrs(original, () => {})) copy.setXattr(key, value);
    copy.chmod(permissions);
    copy.setTimes(mtime);
  }
}

/** Copies a symbolic link, a FIFO or a device; leaves out a socket, which is of no use as a copy. */
function copySpecial(dir: Directory, name: Name, stat: Stat, to: Directory, toName: Uint8Array) {
  if (stat.type === S.IFSOCK) return;
  if (stat.isSymlink) to.symlink(dir.readLink(name), toName);
  else if (stat.type === S.IFIFO) to.makeFifo(toName, stat.permissions);
  else to.makeDevice(toName, stat.mode, stat.rdevMajor, stat.rdevMinor);
  using copy = to.openPath(toName);
  copy.chown(stat.uid, stat.gid);
  if (!stat.isSymlink) copy.chmod(stat.permissions);
  copy.setTimes(stat.mtime);
}
