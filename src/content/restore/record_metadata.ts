import type { Block } from "../../image/mod.ts";
import type { StoredMetadata } from "./metadata_policy.ts";

/** Whether waiting a tick would not do: the file system keeps whole seconds. */
export function hasSecondGranularity(stat: { readonly ctime: { readonly nsec: number } }): boolean {
  return stat.ctime.nsec === 0;
}

export function storedMetadata(block: Block, record: number): StoredMetadata {
  return {
    mode: block.mode(record),
    uid: block.uid(record),
    gid: block.gid(record),
    mtime: block.mtime(record),
    xattrs: block.xattrs(record),
  };
}
