/** Reads the extended attributes of content. */

import { type Descriptor, isErrno } from "../linux/mod.ts";
import type { Xattr } from "../image/mod.ts";

const NONE: readonly Xattr[] = [];

/** Xattrs that a node's own policy sets: they mean nothing on another node. */
const NODE_XATTRS = new Set(["security.selinux", "security.ima", "security.evm"]);

const decoder = new TextDecoder();

/** Returns whether an inode has xattrs of the node's own policy. @throws {SystemError} */
export function hasNodeXattrs(descriptor: Descriptor): boolean {
  return descriptor.listXattrs().some((name) => NODE_XATTRS.has(decoder.decode(name)));
}

/**
 * Returns the xattrs of a descriptor's inode, in the order of the file system, without those of the
 * node's own policy.
 * @param onTooMany called if Linux cannot list them, because some file systems hold more than 64
 *   KiB of names; the result is empty then
 * @throws {SystemError}
 */
export function readXattrs(descriptor: Descriptor, onTooMany: () => void): readonly Xattr[] {
  let names: Uint8Array[];
  try {
    names = descriptor.listXattrs();
  } catch (error) {
    if (!isErrno(error, "E2BIG")) throw error;
    onTooMany();
    return NONE;
  }
  if (names.length === 0) return NONE;
  const xattrs: Xattr[] = [];
  for (const name of names) {
    if (NODE_XATTRS.has(decoder.decode(name))) continue;
    const value = descriptor.getXattr(name);
    if (value) xattrs.push({ name, value });
  }
  return xattrs;
}
