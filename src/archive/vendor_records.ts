/**
 * Names that neither OCI nor PAX can express: escaped names and vendor records.
 *
 * In a layer, a file named `.wh.…` would mean a deletion. It is stored under an escaped name, and so
 * is every name that looks like one; {@link VENDOR}`.path` has the real path. An extended attribute
 * whose name has `=` cannot be a PAX keyword; it is stored under its name in hexadecimal digits.
 */

import { createHash } from "node:crypto";
import { asciiBytes, joinBytes } from "./bytes.ts";

/** Keywords of the PAX records that only wsdaemon writes and reads. */
export const VENDOR = {
  /** The real path of an entry that has an escaped name. */
  path: "WSDAEMON.path",
  /** The real path of a hard link's target that has an escaped name. */
  linkPath: "WSDAEMON.linkpath",
  /** The real path that a whiteout removes. */
  whiteout: "WSDAEMON.whiteout",
  /** Begins the keyword of an attribute with an odd name, in hexadecimal digits. */
  xattr: "WSDAEMON.xattr.",
} as const;

/** Begins the keyword of an extended attribute's record, as GNU tar, libarchive and Go write it. */
export const XATTR = "SCHILY.xattr.";

/** Begins the name of a whiteout (OCI image layer specification, "Whiteouts"). */
export const WHITEOUT: Uint8Array = asciiBytes(".wh.");
const ESCAPED_PREFIX = asciiBytes(".wsdaemon.wh.");
const DOT = 0x2e;
const SLASH = 0x2f;
const EQUALS = 0x3d;

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

function isReserved(path: Uint8Array, at: number): boolean {
  return path[at] === DOT && path[at + 1] === 0x77 &&
    (startsWith(path, at, WHITEOUT) || startsWith(path, at, ESCAPED_PREFIX));
}

/** Returns whether any component of the path is reserved; called for every entry, so it looks for dots only. */
function hasReserved(path: Uint8Array): boolean {
  for (let at = path.indexOf(DOT); at >= 0; at = path.indexOf(DOT, at + 1)) {
    if ((at === 0 || path[at - 1] === SLASH) && isReserved(path, at)) return true;
  }
  return false;
}

/** Returns the path under which a layer has `path`; `path` itself where no name in it needs escaping. */
export function escapePath(path: Uint8Array): Uint8Array {
  if (!hasReserved(path)) return path;
  const parts: Uint8Array[] = [];
  for (let at = 0; at <= path.length;) {
    const slash = path.indexOf(SLASH, at);
    const end = slash < 0 ? path.length : slash;
    if (at > 0) parts.push(Uint8Array.of(SLASH));
    parts.push(isReserved(path, at) ? escapeName(path.subarray(at, end)) : path.subarray(at, end));
    at = end + 1;
  }
  return joinBytes(...parts);
}

/** Returns a name of 53 bytes, which every file system takes; no two names get the same. */
function escapeName(name: Uint8Array): Uint8Array {
  const digest = createHash("sha256").update(name).digest("hex");
  return joinBytes(ESCAPED_PREFIX, asciiBytes(digest.slice(0, 40)));
}

/** Returns the path of the whiteout that removes `path`, which itself may have escaped names. */
export function whiteoutPath(path: Uint8Array): Uint8Array {
  const stored = escapePath(path);
  const name = stored.lastIndexOf(SLASH) + 1;
  return joinBytes(stored.subarray(0, name), WHITEOUT, stored.subarray(name));
}

/** Returns the keyword of an extended attribute's record, one character a byte. */
export function xattrKeyword(name: Uint8Array): string {
  if (name.includes(EQUALS)) {
    return VENDOR.xattr + Array.from(name, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return XATTR + String.fromCharCode(...name);
}

/** Returns the attribute that a PAX keyword of {@link xattrKeyword} names; `undefined` for other keywords. */
export function xattrOfKeyword(keyword: string): Uint8Array | undefined {
  if (keyword.startsWith(XATTR)) {
    return Uint8Array.from(keyword.slice(XATTR.length), (c) => c.charCodeAt(0));
  }
  if (!keyword.startsWith(VENDOR.xattr)) return undefined;
  const hex = keyword.slice(VENDOR.xattr.length);
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) return undefined;
  return Uint8Array.from({ length: hex.length / 2 }, (_, n) => parseInt(hex.substr(2 * n, 2), 16));
}
