/** Names in a hostile archive as paths within a tree. */

import { binaryString } from "../archive/reader.ts";
import { DaemonError } from "../errors.ts";
import { NAME_MAX, SLASH } from "../linux/mod.ts";

const DOT = 0x2e;

/** A member's place in the tree: no empty component, no `.`, no `..`. */
export interface MemberPath {
  readonly components: readonly Uint8Array[];
  /** The components with a `/` between them; empty for the tree's top. */
  readonly bytes: Uint8Array;
  /** The same as a map's key, one character a byte. */
  readonly key: string;
}

/**
 * What an entry's or hard link's name means, as GNU tar takes it: leading slashes are dropped, so that
 * an absolute name lands beneath the tree; `.` and empty components say nothing.
 * @throws {DaemonError} FAILED_PRECONDITION for `..`, and for what no file system can hold
 */
export function memberPath(name: Uint8Array, what: string): MemberPath {
  if (name.length === 0) throw refusal(`its ${what} is empty`);
  const components: Uint8Array[] = [];
  for (let start = 0; start <= name.length;) {
    const slash = name.indexOf(SLASH, start);
    const end = slash === -1 ? name.length : slash;
    const component = name.subarray(start, end);
    start = end + 1;
    if (isDots(component, 0) || isDots(component, 1)) continue;
    if (isDots(component, 2)) {
      throw refusal(`its ${what} contains "..", which could lead out of the workspace`);
    }
    if (component.length > NAME_MAX) {
      throw refusal(`its ${what} has a component of more than ${NAME_MAX} bytes`);
    }
    components.push(component);
  }
  return pathOf(components);
}

/** The path of these components. */
export function pathOf(components: readonly Uint8Array[]): MemberPath {
  const length = components.reduce((sum, component) => sum + component.length + 1, 0);
  const bytes = new Uint8Array(Math.max(0, length - 1));
  let at = 0;
  for (const component of components) {
    if (at > 0) bytes[at++] = SLASH;
    bytes.set(component, at);
    at += component.length;
  }
  return { components, bytes, key: binaryString(bytes) };
}

/** The failure of an archive that asks for what is not done. */
export function refusal(why: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", why);
}

function isDots(component: Uint8Array, count: number): boolean {
  return component.length === count && component.every((byte) => byte === DOT);
}
