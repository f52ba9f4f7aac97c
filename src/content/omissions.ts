/** Counts what could not be restored from an image or archive as it was. */

import { displayName } from "../linux/mod.ts";

/**
 * Kinds of omissions: what a restore could not reproduce, or policy does not allow a foreign archive.
 * `device`, `fifo`, `symlink`, `file`, `directory` and `link` are entries that are missing;
 * `set-id` bits, an `owner` or an `xattr` are missing from an entry; a `time` is the nearest that
 * the file system supports; a `copied-link` is a file of its own because the file system takes no
 * more links; `trailing-data` after an archive's end was ignored.
 */
export type OmissionKind =
  | "copied-link"
  | "device"
  | "directory"
  | "fifo"
  | "file"
  | "link"
  | "owner"
  | "set-id"
  | "symlink"
  | "time"
  | "trailing-data"
  | "xattr";

/** How often each kind of omission occurred, with examples. */
export interface Omissions {
  counts: Partial<Record<OmissionKind, number>>;
  /** Each a kind and a path; at most 10. */
  examples: readonly string[];
}

/** No omissions. */
export const NO_OMISSIONS: Omissions = { counts: {}, examples: [] };

/** The most paths that are named, so that a tree of a million devices fills no log. */
const MAX_NAMED = 10;
/** Bytes of a path that are named. */
const MAX_PATH_SHOWN = 200;

/** Collects omissions while a tree is restored or packed. */
export class OmissionLog {
  readonly #counts = new Map<OmissionKind, number>();
  readonly #examples: string[] = [];

  /** Counts an omission; names its path if fewer than 10 are named. */
  add(kind: OmissionKind, path: Uint8Array): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#examples.length >= MAX_NAMED) return;
    const cut = path.length > MAX_PATH_SHOWN ? "…" : "";
    this.#examples.push(`${kind} ${displayName(path.subarray(0, MAX_PATH_SHOWN)) || "."}${cut}`);
  }

  /** Returns the omissions so far. */
  done(): Omissions {
    if (this.#counts.size === 0) return NO_OMISSIONS;
    return { counts: Object.fromEntries(this.#counts), examples: [...this.#examples] };
  }
}

/** Returns the sum of several, with at most 10 examples. */
export function sumOmissions(all: readonly Omissions[]): Omissions {
  const counts: Omissions["counts"] = {};
  for (const one of all) {
    for (const [kind, count] of Object.entries(one.counts) as [OmissionKind, number][]) {
      counts[kind] = (counts[kind] ?? 0) + count;
    }
  }
  const examples = all.flatMap((one) => one.examples).slice(0, MAX_NAMED);
  return { counts, examples };
}
