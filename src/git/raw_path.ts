/**
 * Converts paths as Git has them: bytes, which need not be UTF-8. In maps and sets they are strings of one character
 * a byte, which compare and convert without loss.
 */

import type { GitSession, RunOptions } from "./git_session.ts";
import { RecordSplitter } from "./status_parser.ts";

/** A path relative to the checkout, one character a byte. */
export type RawPath = string;

const NUL = Uint8Array.of(0);
const strict = new TextDecoder("utf-8", { fatal: true });

/** Converts bytes to a {@link RawPath}. */
export function rawPath(bytes: Uint8Array): RawPath {
  return String.fromCharCode(...bytes);
}

/** Converts a {@link RawPath} to bytes. */
export function bytesOfPath(path: RawPath): Uint8Array {
  return Uint8Array.from(path, (character) => character.charCodeAt(0));
}

/** Returns the path as text; `undefined` where it is not UTF-8, and so cannot be an argument. */
export function textOfPath(path: RawPath): string | undefined {
  try {
    return strict.decode(bytesOfPath(path));
  } catch {
    return undefined;
  }
}

/** Returns the path for messages; bytes that are not UTF-8 become `\\xNN`. */
export function displayOfPath(path: RawPath): string {
  return textOfPath(path) ??
    path.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** Returns the paths of all directories that `path` is in, the outermost first. */
export function ancestorsOf(path: RawPath): RawPath[] {
  const ancestors: RawPath[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    ancestors.push(path.slice(0, at));
  }
  return ancestors;
}

/** Formats paths for commands that read them with `-z --stdin`. */
export function pathsInput(paths: Iterable<RawPath>): Uint8Array {
  return joinBytes([...paths].flatMap((path) => [bytesOfPath(path), NUL]));
}

/** Joins byte arrays. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Runs a command that prints NUL-terminated records, and passes them to `take`. @returns its exit code */
export async function forEachRecord(
  git: GitSession,
  args: readonly string[],
  take: (record: Uint8Array) => void,
  options: RunOptions = {},
): Promise<number> {
  const splitter = new RecordSplitter(take);
  const code = await git.stream(args, (chunk) => splitter.push(chunk), options);
  splitter.end();
  return code;
}

/** Runs a command and returns what it prints, as bytes. */
export async function printedBytes(
  git: GitSession,
  args: readonly string[],
  options: RunOptions & { maxBytes: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  await git.stream(args, (chunk) => {
    length += chunk.length;
    if (length > options.maxBytes) throw new RangeError(`git ${args[0]} printed too much`);
    chunks.push(chunk);
  }, options);
  return joinBytes(chunks);
}
