/** Copies trees of any depth with their metadata, with a bounded number of descriptors. */

import {
  type Directory,
  DT,
  joinPath,
  type Name,
  openLongPath,
  S,
  splitLast,
  type Stat,
} from "../linux/mod.ts";
import { duplicateFile } from "./duplicate_file.ts";
import { HandleStack } from "./handle_stack.ts";
import type { OperationContext } from "./operation.ts";
import { readXattrs } from "./read_xattrs.ts";

/** Where a copier asks whether it is to go on. */
type Cancellable = Pick<OperationContext, "throwIfCancelled">;

const NEVER_CANCELLED: Cancellable = { throwIfCancelled() {} };

/**
 * Copies entries to below one directory; names of one inode stay names of one inode. Files share their
 * blocks where the file system can do that. Sockets are left out: a copy of one is of no use.
 */
export class TreeCopier {
  readonly #target: Directory;
  readonly #context: Cancellable;
  /** Paths beneath the target of files that have several names, by inode. */
  readonly #linked = new Map<string, Uint8Array>();

  /** @param target the directory that everything is copied to below; stays open */
  constructor(target: Directory, context: Cancellable = NEVER_CANCELLED) {
    this.#target = target;
    this.#context = context;
  }

  /**
   * Copies one entry, with all that is in it.
   * @param path of the copy beneath the target
   * @param onBegun called as soon as there is something of it
   * @throws {SystemError} EEXIST where the name is taken
   */
  copyEntry(
    from: Directory,
    name: Name,
    to: Directory,
    toName: Uint8Array,
    { path, onBegun }: { path: Uint8Array; onBegun(): void },
  ): void {
    const stat = from.statEntry(name);
    if (!stat.isDirectory) {
      this.#copyLeaf(from, name, stat, to, toName, path);
      return onBegun();
    }
    to.makeDirectory(toName, 0o700);
    onBegun();
    using original = from.openDirectory(name);
    using copy = to.openDirectory(toName);
    this.copyContents(original, copy, path);
    copyMetadata(original, copy);
  }

  /**
   * Copies all entries of a directory.
   * @param path of the copy of that directory beneath the target; empty for the target itself
   */
  copyContents(from: Directory, to: Directory, path: Uint8Array = new Uint8Array()): void {
    using originals = new HandleStack(from);
    using copies = new HandleStack(to);
    const paths = [path];
    /** The subdirectories that are still to be copied, one list for each directory on the path. */
    const pending = [this.#copyLeaves(from, to, path)];
    for (let level = pending.at(-1); level; level = pending.at(-1)) {
      const name = level.pop();
      if (name !== undefined) {
        const inner = joinPath(paths.at(-1)!, name);
        copies.current.makeDirectory(name, 0o700);
        paths.push(inner);
        pending.push(this.#copyLeaves(originals.enter(name), copies.enter(name), inner));
        continue;
      }
      pending.pop();
      paths.pop();
      if (pending.length === 0) continue;
      copyMetadata(originals.current, copies.current);
      originals.leave();
      copies.leave();
    }
  }

  /** Copies the entries of a directory that are none themselves. @returns the names of those that are */
  #copyLeaves(from: Directory, to: Directory, path: Uint8Array): Uint8Array[] {
    const directories: Uint8Array[] = [];
    for (const { name, type } of [...from.entries()]) {
      this.#context.throwIfCancelled();
      const stat = type === DT.DIR ? undefined : from.statEntry(name);
      if (!stat || stat.isDirectory) directories.push(name);
      else this.#copyLeaf(from, name, stat, to, name, joinPath(path, name));
    }
    return directories;
  }

  #copyLeaf(
    from: Directory,
    name: Name,
    stat: Stat,
    to: Directory,
    toName: Uint8Array,
    path: Uint8Array,
  ): void {
    const first = stat.nlink > 1 ? this.#linked.get(stat.identity) : undefined;
    if (first !== undefined) {
      const { parent, name } = splitLast(first);
      using dir = openLongPath(this.#target, parent);
      return dir.link(name, to, toName);
    }
    if (stat.isFile) duplicateFile(from, name, to, toName);
    else if (!copySpecial(from, name, stat, to, toName)) return;
    if (stat.nlink > 1) this.#linked.set(stat.identity, path);
  }
}

/**
 * Gives one directory the owner, mode, attributes and time of another one.
 * @param stat that of `from`, where it has changed since
 */
export function copyMetadata(from: Directory, to: Directory, stat: Stat = from.stat()): void {
  const { uid, gid, permissions, mtime } = stat;
  to.chown(uid, gid);
  for (const { name, value } of readXattrs(from, () => {})) to.setXattr(name, value);
  to.chmod(permissions);
  to.setTimes(mtime);
}

/** Copies a symbolic link, a FIFO or a device. @returns false for a socket, which is left out */
function copySpecial(
  dir: Directory,
  name: Name,
  stat: Stat,
  to: Directory,
  toName: Uint8Array,
): boolean {
  if (stat.type === S.IFSOCK) return false;
  if (stat.isSymlink) to.symlink(dir.readLink(name), toName);
  else if (stat.type === S.IFIFO) to.makeFifo(toName, stat.permissions);
  else to.makeDevice(toName, stat.mode, stat.rdevMajor, stat.rdevMinor);
  using copy = to.openPath(toName);
  copy.chown(stat.uid, stat.gid);
  if (!stat.isSymlink) copy.chmod(stat.permissions);
  copy.setTimes(stat.mtime);
  return true;
}
