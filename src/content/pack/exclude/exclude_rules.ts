/** Makes the rules of one pack from what it is asked for and what is in the tree. */

import { type Directory, isErrno, type Stat } from "../../../linux/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { PackExcludes } from "../pack_result.ts";
import { IGNORE_FILE, readIgnoreFile } from "./ignore_file.ts";

/** What a pack leaves out, as it is sent to each of its parts. */
export interface ExcludeRules {
  /** Whether the content of cache directories is left out. */
  readonly cacheDirs: boolean;
  /** Patterns, a line each. */
  readonly patterns: Uint8Array;
}

/** Returns the rules, and why the patterns in the tree cannot be gone by. */
export function excludeRules(
  top: Directory,
  { cacheDirs, ignoreFile, patterns }: PackExcludes,
): { excludes: ExcludeRules; ignoreFileProblem?: string } {
  const found = ignoreFile ? readIgnoreFile(top) : {};
  const own = new TextEncoder().encode(patterns.map((pattern) => `${pattern}\n`).join(""));
  const rules = { cacheDirs, patterns: new Uint8Array([...own, ...found.patterns ?? []]) };
  const { problem } = found;
  return { excludes: rules, ...(problem === undefined ? {} : { ignoreFileProblem: problem }) };
}

/**
 * Returns why a tree is to be walked though its file system tells what has changed: entries that have not
 * changed can be left out, or packed again, because the rules have.
 */
export function reasonToWalk(
  top: Directory,
  baseline: BaselineReader,
  { ignoreFile, mustWalk }: PackExcludes,
): string | undefined {
  if (mustWalk) return "what is left out may have changed since the daemon was started";
  if (!ignoreFile) return undefined;
  const block = baseline.find(new Uint8Array(0))?.block;
  const record = block?.find(IGNORE_FILE);
  const stat = statIfThere(top, IGNORE_FILE);
  const isSame = record === undefined ? !stat : stat && block!.isUnchanged(record, stat);
  return isSame ? undefined : "the file of patterns has changed";
}

function statIfThere(top: Directory, name: Uint8Array): Stat | undefined {
  try {
    return top.statEntry(name);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
