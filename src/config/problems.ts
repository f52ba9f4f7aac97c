/** Mistakes in a config, in words: where, which key, what was expected, what was meant perhaps. */

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

/** What may be a password in a URL. */
const USERINFO = /\/\/[^/@"]*@/g;

/** A config that cannot be used; every problem is one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** The problem with the value at `path`, preceded by where it was said. */
export function problemAt(layers: readonly ConfigSource[], path: KeyPath, problem: string): string {
  const origin = originOf(layers, path);
  const text = `${formatPath(path)}: ${problem}`;
  return origin === undefined ? text : `${origin}: ${text}`;
}

/** One line for each key that an issue of the schema is about. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  layers: readonly ConfigSource[],
  merged: unknown,
): string[] {
  const path = issue.path.map((part) => typeof part === "symbol" ? String(part) : part);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(configJsonSchema(), path, merged);
    return issue.keys.map((key) =>
      problemAt(layers, [...path, key], `unknown key; ${suggest(key, known)}`)
    );
  }
  return [problemAt(layers, path, `${issue.message}, ${got(path, merged)}`)];
}

/** What to write instead of `word`: the word that is nearly it, or all there are. */
export function suggest(word: string, known: readonly string[]): string {
  const distance = (other: string) => levenshteinDistance(word.toLowerCase(), other.toLowerCase());
  const nearest = known.toSorted((a, b) => distance(a) - distance(b))[0];
  if (nearest !== undefined && distance(nearest) <= Math.max(1, word.length / 3)) {
    return `did you mean ${JSON.stringify(nearest)}?`;
  }
  return `expected one of ${known.join(", ")}`;
}

function got(path: KeyPath, merged: unknown): string {
  const value = valueAt(merged, path);
  if (value === undefined) return "but it is missing";
  const secret = path.some((part) => SECRET_STORAGE_KEYS.includes(String(part)));
  if (Array.isArray(value)) return "got an array";
  if (isObject(value)) return "got an object";
  if (secret) return `got a ${typeof value}`;
  return `got ${JSON.stringify(value)?.replaceAll(USERINFO, "//***@")}`;
}
