/** Hashes of working files as Git would store them, without storing them. */

import { GitFailure } from "./failure.ts";
import { bytesOfPath, joinBytes, printedBytes, type RawPath, textOfPath } from "./raw_path.ts";
import type { GitSession } from "./session.ts";

/** More than a hash takes, with its line's end. */
const LINE = 65;
const NEWLINE = Uint8Array.of(0x0a);

/**
 * Hashes regular files of the checkout, line ends converted as attributes and config say. What git
 * may not read, or cannot be told the name of, is left out: it counts as changed.
 */
export async function hashWorkingFiles(
  git: GitSession,
  paths: readonly RawPath[],
): Promise<Map<RawPath, string>> {
  const hashes = new Map<RawPath, string>();
  // A line that starts with a quote is read as a quoted name.
  const isLine = (path: RawPath) => !path.includes("\n") && !path.startsWith('"');
  await hashLines(git, paths.filter(isLine), hashes);
  for (const path of paths) {
    const text = isLine(path) ? undefined : textOfPath(path);
    if (text === undefined) continue;
    const { code, stdout } = await git.run(["hash-object", "--", text], { answers: [128] });
    if (code === 0) hashes.set(path, stdout.trim());
  }
  return hashes;
}

/** Hashes files by one process; by several where one of the files cannot be read. */
async function hashLines(
  git: GitSession,
  paths: readonly RawPath[],
  hashes: Map<RawPath, string>,
): Promise<void> {
  if (paths.length === 0) return;
  try {
    const printed = await printedBytes(git, ["hash-object", "--stdin-paths"], {
      input: joinBytes(paths.flatMap((path) => [bytesOfPath(path), NEWLINE])),
      maxBytes: paths.length * LINE,
    });
    const lines = new TextDecoder().decode(printed).split("\n");
    paths.forEach((path, n) => hashes.set(path, lines[n]!));
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    if (paths.length === 1) return;
    const half = paths.length >> 1;
    await hashLines(git, paths.slice(0, half), hashes);
    await hashLines(git, paths.slice(half), hashes);
  }
}
