/** Hashes working files as Git would store them, without storing them. */

import { GitFailure } from "./git_failure.ts";
import { bytesOfPath, joinBytes, printedBytes, type RawPath, textOfPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";

/** The longest hash with its line's end. Bytes. */
const MAX_LINE_BYTES = 65;
const NEWLINE = Uint8Array.of(0x0a);

/**
 * Returns the hashes of regular files of the checkout, line ends converted as attributes and config say.
 * Files that git may not read, or whose name cannot be an argument, are left out: they count as changed.
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

/** Hashes files by one process; halves the list where a file cannot be read, which fails the process. */
async function hashLines(
  git: GitSession,
  paths: readonly RawPath[],
  hashes: Map<RawPath, string>,
): Promise<void> {
  if (paths.length === 0) return;
  try {
    const printed = await printedBytes(git, ["hash-object", "--stdin-paths"], {
      input: joinBytes(paths.flatMap((path) => [bytesOfPath(path), NEWLINE])),
      maxBytes: paths.length * MAX_LINE_BYTES,
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
