/** Extended attributes of content. */

import { type Descriptor, isErrno } from "../linux/mod.ts";
import type { Xattr } from "../image/mod.ts";

const NONE: readonly Xattr[] = [];

/** Names that a node gives by its own policy: they mean nothing elsewhere. */
const OF_THE_NODE = new Set(["security.selinux", "security.ima", "security.evm"]);

const decoder = new TextDecoder();

/**
 * What a descriptor's inode has, ordered as the file system lists it.
 * @param onTooMany called where Linux cannot list them (some file systems hold more than 64 KiB of
 * names); there are none then
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
    if (OF_THE_NODE.has(decoder.decode(name))) continue;
    const value = descriptor.getXattr(name);
    if (value) xattrs.push({ name, value });
  }
  return xattrs;
}
