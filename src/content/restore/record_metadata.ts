/** Reads metadata out of an index's records, and tells which times may be written back into them. */

import type { Block } from "../../image/mod.ts";
import type { StoredMetadata } from "./metadata_policy.ts";

/**
 * Returns whether a file system seems to store whole seconds. A record of such an inode is racy: the
 * wait at the end of a restore is far shorter than a second, so a later change may leave the ctime.
 */
export function hasWholeSeconds(stat: { readonly ctime: { readonly nsec: number } }): boolean {
  return stat.ctime.nsec === 0;
}

/** Returns the metadata that a record has for its inode. */
export function storedMetadata(block: Block, record: number): StoredMetadata {
  return {
    mode: block.mode(record),
    uid: block.uid(record),
    gid: block.gid(record),
    mtime: block.mtime(record),
    xattrs: block.xattrs(record),
  };
}
