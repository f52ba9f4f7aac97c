/** Converts and checks names of files, which are bytes and not text, and copies them for libc. */

import { PATH_MAX } from "./constants.ts";
import { SystemError } from "./errno.ts";

/** A name or path: bytes as the kernel has them, or text that is encoded as UTF-8. */
export type Name = Uint8Array | string;

/** The byte between two components of a path. */
export const SLASH = 0x2f;

const DOT = 0x2e;

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });

/** Returns the bytes of a name. */
export function bytesOf(name: Name): Uint8Array {
  return typeof name === "string" ? encoder.encode(name) : name;
}

/** Returns a name as text for people: UTF-8 where it is that, else with `\xNN` for what is not ASCII. */
export function displayName(name: Name): string {
  if (typeof name === "string") return name;
  try {
    return strict.decode(name);
  } catch {
    let text = "";
    for (const byte of name) {
      text += byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
    }
    return text;
  }
}

/** A reused buffer for one NUL-terminated argument of a call. */
export class CStringBuffer {
  readonly #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(PATH_MAX);

  /**
   * Returns the buffer, holding `name`; valid until the next call.
   * @throws {SystemError} ENAMETOOLONG, or EINVAL for a NUL, which would cut the name short
   */
  set(name: Name, syscall: string): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    let length: number;
    if (typeof name === "string") {
      const { read, written } = encoder.encodeInto(name, buffer);
      if (read < name.length) throw new SystemError("ENAMETOOLONG", syscall, name);
      length = written;
    } else {
      length = name.length;
      if (length >= PATH_MAX) throw new SystemError("ENAMETOOLONG", syscall, displayName(name));
      buffer.set(name);
    }
    if (length >= PATH_MAX) throw new SystemError("ENAMETOOLONG", syscall, displayName(name));
    buffer[length] = 0;
    if (buffer.indexOf(0) < length) throw new SystemError("EINVAL", syscall, displayName(name));
    return buffer;
  }
}

/** Holds the first, or only, path of a call. */
export const first: CStringBuffer = new CStringBuffer();
/** Holds the second path of a call. */
export const second: CStringBuffer = new CStringBuffer();

/**
 * Returns whether `name` is one component that names an entry of its directory: not empty, `.` or `..`,
 * no `/`.
 */
export function isComponent(name: Name): boolean {
  if (typeof name === "string") {
    return name !== "" && name !== "." && name !== ".." && !name.includes("/");
  }
  const length = name.length;
  if (length === 0 || name[0] === DOT && (length === 1 || length === 2 && name[1] === DOT)) {
    return false;
  }
  return !name.includes(SLASH);
}

/** Splits a relative path at its last `/`; `parent` is absent for a single component. */
export function splitPath(path: Name): { parent?: Name; leaf: Name } {
  if (typeof path === "string") {
    const at = path.lastIndexOf("/");
    return at < 0 ? { leaf: path } : { parent: path.slice(0, at), leaf: path.slice(at + 1) };
  }
  const at = path.lastIndexOf(SLASH);
  return at < 0 ? { leaf: path } : { parent: path.subarray(0, at), leaf: path.subarray(at + 1) };
}

/** Returns whether two names are the same bytes. */
export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
