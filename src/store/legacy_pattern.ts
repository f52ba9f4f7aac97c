/**
 * Patterns of an older layout of archives, by which an identity's archive is found that another daemon has
 * left, such as `{owner}/workspaces/{meta}/full.tar@{bucket}` with the bucket's name in place of `{bucket}`.
 */

import { z } from "zod";
import { expected } from "../schema_fields.ts";
import { isBucketName } from "./keys.ts";

/** Maximum number of patterns. */
const MAX_PATTERNS = 16;
/** Matches what stands for a part of the identity. */
const PLACEHOLDER = /\{[^{}]*\}/g;
/** Object keys are no longer, in bytes. */
const MAX_OBJECT_BYTES = 1024;

/** The identity whose archive is looked for. */
interface Identity {
  readonly owner: string;
  readonly metaId: string;
}

/** A plain archive in a store. */
export interface ArchiveName {
  readonly object: string;
  readonly bucket: string;
}

/** `storage.legacy` of the config file. */
export const legacyField = z.array(
  z.string(expected("a pattern")).check((context) => {
    const problem = patternProblem(context.value);
    if (problem === undefined) return;
    context.issues.push({
      code: "custom",
      input: context.value,
      message: `expected a pattern such as "{owner}/workspaces/{meta}/full.tar@bucket" ${problem}`,
    });
  }),
  expected("an array of patterns"),
).max(MAX_PATTERNS, expected(`at most ${MAX_PATTERNS} patterns`)).check((context) => {
  const patterns = context.value.filter((text) => patternProblem(text) === undefined);
  const sharing = pairsOf(patterns).find(([one, other]) => canShare(one, other));
  if (!sharing) return;
  context.issues.push({
    code: "custom",
    input: context.value,
    message: "expected patterns by which no two identities share an archive, as they could by " +
      sharing.join(" and "),
  });
}).exactOptional().describe(
  "Patterns of archives that an older daemon left, from which a backup initializer starts where the " +
    'identity has no backup here: "<object>@<bucket>" with {owner} and {meta}, {owner} also in the ' +
    "bucket; the first that is there counts",
);

/** Returns what a pattern must be like, in words; `undefined` for one that can be used. */
function patternProblem(text: string): string | undefined {
  const at = text.lastIndexOf("@");
  if (at < 0) return 'with a bucket after an "@"';
  const [object, bucket] = [text.slice(0, at), text.slice(at + 1)];
  const unknown = placeholdersOf(text).find((word) => !["{owner}", "{meta}"].includes(word));
  if (unknown !== undefined) return `with no placeholders but {owner} and {meta}, not ${unknown}`;
  const [names, ofBucket] = [placeholdersOf(object), placeholdersOf(bucket)];
  if (!names.includes("{meta}") || ![...names, ...ofBucket].includes("{owner}")) {
    return "with {meta} in the object and {owner} in the object or the bucket, so that no two " +
      "identities share an archive";
  }
  if (ofBucket.includes("{meta}") || ofBucket.length > 1) {
    return "with nothing but one {owner} in the bucket";
  }
  const isMixed = object.split("/").some((part) => placeholdersOf(part).length > 1);
  if (isMixed) {
    return 'with a "/" between {owner} and {meta}, so that no two identities share an archive';
  }
  const sample = fill(text, { owner: "owner", metaId: "meta" });
  if (!isBucketName(sample.bucket)) return 'with the name of a bucket after the "@"';
  if (!/\.tar(\.gz|\.zst)?$/.test(object)) return "whose object ends in .tar, .tar.gz or .tar.zst";
  return isObjectName(sample.object) ? undefined : "whose object has plain path segments";
}

function pairsOf<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((one, n) => items.slice(n + 1).map((other): [T, T] => [one, other]));
}

/** Returns whether one identity may have an archive by one pattern that is another's by the other pattern. */
function canShare(one: string, other: string): boolean {
  const [parts, others] = [partsOf(one), partsOf(other)];
  if (parts.length !== others.length) return false;
  if (!parts.every((part, n) => canBeEqual(part, others[n]!))) return false;
  // An archive's name tells an owner or a meta_id by any part that is the same in both.
  const same = parts.filter((part, n) => part === others[n]).flatMap(placeholdersOf);
  return !same.includes("{owner}") || !same.includes("{meta}");
}

/** Returns the segments of a pattern's object, and its bucket. */
function partsOf(pattern: string): string[] {
  const bucket = bucketOf(pattern);
  return [...pattern.slice(0, -bucket.length - 1).split("/"), bucket];
}

/** Returns whether two parts with at most one placeholder each may stand for the same. */
function canBeEqual(one: string, other: string): boolean {
  const [[start, end], [otherStart, otherEnd]] = [one, other].map((part) =>
    part.split(PLACEHOLDER)
  ) as [string[], string[]];
  if (end === undefined && otherEnd === undefined) return one === other;
  if (end === undefined) return canBeEqual(other, one);
  if (otherEnd === undefined) {
    return other.length > start!.length + end.length && other.startsWith(start!) &&
      other.endsWith(end);
  }
  return (start!.startsWith(otherStart!) || otherStart!.startsWith(start!)) &&
    (end.endsWith(otherEnd) || otherEnd.endsWith(end));
}

function placeholdersOf(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([word]) => word);
}

/**
 * Returns an identity's archive by a valid pattern; `undefined` where no object or bucket can have such a
 * name, so that there is none.
 */
export function legacyArchive(pattern: string, identity: Identity): ArchiveName | undefined {
  const name = fill(pattern, identity);
  return isBucketName(name.bucket) && isObjectName(name.object) ? name : undefined;
}

function fill(pattern: string, { owner, metaId }: Identity): ArchiveName {
  const at = pattern.lastIndexOf("@");
  // Functions, as "$&" in a name would mean something.
  const filled = (part: string) =>
    part.replaceAll("{owner}", () => owner).replaceAll("{meta}", () => metaId);
  return { object: filled(pattern.slice(0, at)), bucket: filled(pattern.slice(at + 1)) };
}

function isObjectName(object: string): boolean {
  return new TextEncoder().encode(object).length <= MAX_OBJECT_BYTES &&
    object.split("/").every((part) => part !== "" && part !== "." && part !== "..") &&
    // deno-lint-ignore no-control-regex -- control characters are what is refused
    !/[\u0000-\u001f\u007f\\]/.test(object);
}

/** Returns the bucket of a pattern, with the placeholder that it may have. */
export function bucketOf(pattern: string): string {
  return pattern.slice(pattern.lastIndexOf("@") + 1);
}

/** Returns whether a pattern's bucket depends on the owner. */
export function hasOwnerBucket(pattern: string): boolean {
  return bucketOf(pattern).includes("{owner}");
}
