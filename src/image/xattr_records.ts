import { xattrKeyword } from "../archive/mod.ts";
import type { Xattr } from "./layout.ts";

/** Attributes as PAX records. */
export function xattrRecords(xattrs: readonly Xattr[]): { key: string; value: Uint8Array }[] {
  return xattrs.map(({ name, value }) => ({ key: xattrKeyword(name), value }));
}
