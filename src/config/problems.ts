/** Describes mistakes in a config: where, which key, what was expected, and what may have been meant. */

import { levenshteinDistance } from "@std/text";
import type { z } from "zod";
import { SECRET_STORAGE_KEYS } from "../store/mod.ts";
import {
  type ConfigSource,
  formatPath,
  isObject,
  type KeyPath,
  originOf,
  valueAt,
} from "./config_source.ts";
import { configJsonSchema, keysAt } from "./keys.ts";

/** The part of a URL that may hold a password. */
const USERINFO = /\/\/[^/@"]*@/g;

/** Returns the problem with the value at `path`, preceded by the source that set the value. */
export function problemAt(
  sources: readonly ConfigSource[],
  path: KeyPath,
  problem: string,
): string {
  const origin = originOf(sources, path);
  const text = `${formatPath(path)}: ${problem}`;
  return origin === undefined ? text : `${origin}: ${text}`;
}

/** Returns one line for each key that an issue of the schema is about. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  sources: readonly ConfigSource[],
  merged: unknown,
): string[] {
  const path = issue.path.map((part) => typeof part === "symbol" ? String(part) : part);
  if (issue.code === "unrecognized_keys") {
    const allowed = keysAt(configJsonSchema(), path, merged);
    return issue.keys.map((key) =>
      problemAt(sources, [...path, key], `unknown key; ${suggest(key, allowed)}`)
    );
  }
  return [problemAt(sources, path, `${issue.message}, ${got(path, merged)}`)];
}

/** Returns what to write instead of `word`: a candidate that is nearly spelt so, or all of them. */
export function suggest(word: string, candidates: readonly string[]): string {
  const distance = (other: string) => levenshteinDistance(word.toLowerCase(), other.toLowerCase());
  const nearest = candidates.toSorted((a, b) => distance(a) - distance(b))[0];
  if (nearest !== undefined && distance(nearest) <= Math.max(1, word.length / 3)) {
    return `did you mean ${JSON.stringify(nearest)}?`;
  }
  return `expected one of ${candidates.join(", ")}`;
}

/** Describes the value at `path` without its secrets. */
export function got(path: KeyPath, merged: unknown): string {
  const value = valueAt(merged, path);
  if (value === undefined) return "but it is missing";
  const secret = path.some((part) => SECRET_STORAGE_KEYS.includes(String(part)));
  if (Array.isArray(value)) return "got an array";
  if (isObject(value)) return "got an object";
  if (secret) return `got a ${typeof value}`;
  return `got ${JSON.stringify(value)?.replaceAll(USERINFO, "//***@")}`;
}
