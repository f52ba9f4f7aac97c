/** Counting what could not be carried over from an image or archive into a tree as it was. */

import { displayName } from "../linux/mod.ts";
import { NO_OMISSIONS, type OmissionKind, type Omissions } from "./content.ts";

/** How many paths are named at most, so that a tree of a million devices fills no log. */
const MAX_NAMED = 10;
/** Bytes of a path that are named. */
const MAX_PATH_SHOWN = 200;

/** Omissions as they are met. */
export class OmissionLog {
  readonly #counts = new Map<OmissionKind, number>();
  readonly #examples: string[] = [];

  /** Counts one, and names its path while few are named. */
  add(kind: OmissionKind, path: Uint8Array): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#examples.length >= MAX_NAMED) return;
    const cut = path.length > MAX_PATH_SHOWN ? "…" : "";
    this.#examples.push(`${kind} ${displayName(path.subarray(0, MAX_PATH_SHOWN)) || "."}${cut}`);
  }

  /** Returns what was counted so far. */
  done(): Omissions {
    if (this.#counts.size === 0) return NO_OMISSIONS;
    return { counts: Object.fromEntries(this.#counts), examples: [...this.#examples] };
  }
}

/** Returns the sum of several, with as many examples as one may have. */
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
