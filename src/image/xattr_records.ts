import { type PaxRecords, xattrKeyword, xattrOfKeyword } from "../archive/mod.ts";
import type { Xattr } from "./layout.ts";

/** Returns the PAX records that a layer keeps extended attributes in. */
export function xattrRecords(xattrs: readonly Xattr[]): { key: string; value: Uint8Array }[] {
  return xattrs.map(({ name, value }) => ({ key: xattrKeyword(name), value }));
}

/** Returns the extended attributes that a layer's entry has in its PAX records, in their order. */
export function xattrsOfRecords(records: PaxRecords): Xattr[] {
  const xattrs: Xattr[] = [];
  for (const [keyword, value] of records) {
    const name = xattrOfKeyword(keyword);
    if (name) xattrs.push({ name, value });
  }
  return xattrs;
}
