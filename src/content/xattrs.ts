/** Extended attributes of content. */

import { xattrKeyword } from "../archive/vendor.ts";
import type { Descriptor } from "../linux/mod.ts";
import type { Xattr } from "./index/layout.ts";

const NONE: readonly Xattr[] = [];

/** Names that a node gives by its own policy: they mean nothing elsewhere. */
const OF_THE_NODE = new Set(["security.selinux", "security.ima", "security.evm"]);

const decoder = new TextDecoder();

/** What a descriptor's inode has, ordered as the file system lists it. @throws {SystemError} */
export function readXattrs(descriptor: Descriptor): readonly Xattr[] {
  const names = descriptor.listXattrs();
  if (names.length === 0) return NONE;
  const xattrs: Xattr[] = [];
  for (const name of names) {
    if (OF_THE_NODE.has(decoder.decode(name))) continue;
    const value = descriptor.getXattr(name);
    if (value) xattrs.push({ name, value });
  }
  return xattrs;
}

/** Attributes as PAX records. */
export function xattrRecords(xattrs: readonly Xattr[]): { key: string; value: Uint8Array }[] {
  return xattrs.map(({ name, value }) => ({ key: xattrKeyword(name), value }));
}
