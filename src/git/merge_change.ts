/** Merges local changes of files that the target changes, too. */

import { join } from "@std/path";
import { DaemonError } from "../errors.ts";
import type { CheckoutFiles } from "./sanitize_config.ts";
import { GitFailure } from "./git_failure.ts";
import type { SetAside } from "./local_work.ts";
import { textOfPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";
import { isRegular } from "./tree_changes.ts";
import { joinPath } from "./tree_path.ts";

/** Larger files are not merged line by line. */
const MAX_MERGED_BYTES = 16 * 1024 * 1024;

/** Exit codes of `merge-file` with conflicts, and with an error. */
const UNMERGED = Array.from({ length: 255 }, (_, n) => n + 1);

/**
 * Merges a local change into the target's file, which is checked out.
 * @param folder where the local file was set aside, in the tree
 * @returns whether it merges without conflict; where not, nothing was changed
 */
export async function mergeChange(
  git: GitSession,
  files: CheckoutFiles,
  folder: string,
  { path, state, change, isFiltered }: SetAside,
): Promise<boolean> {
  const name = textOfPath(path);
  if (name === undefined || state.type !== "file" || !change || isFiltered) return false;
  if (state.size > MAX_MERGED_BYTES || !isRegular(change.oldMode) || !isRegular(change.newMode)) {
    return false;
  }
  const { content, tree, location, scratch, spool, owner } = files;
  const base = await baseOf(git, name, change.oldHash);
  if (!base) return false;
  const theirs = await copyTo(files, joinPath(location, name), "theirs");
  if (!theirs || !await copyTo(files, joinPath(folder, name), "ours")) return false;
  await scratch.write("base", base);
  const [ours, original, other] = ["ours", "base", "theirs"].map((at) => join(scratch.path, at));
  const { code } = await git.run(["merge-file", "--quiet", ours!, original!, other!], {
    answers: UNMERGED,
  });
  if (code !== 0) return false;
  const merged = crypto.randomUUID();
  await Deno.rename(ours!, join(spool, merged));
  const file = { area: "spool", path: merged } as const;
  await content.place(tree, joinPath(location, name), file, owner, state.permissions & 0o777);
  return true;
}

/** Returns the old commit's file as it was checked out; `undefined` where its blob cannot be read. */
async function baseOf(
  git: GitSession,
  path: string,
  blob: string,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  try {
    await git.stream(["cat-file", "--filters", `--path=${path}`, blob], (chunk) => {
      chunks.push(chunk);
    });
  } catch (error) {
    if (error instanceof GitFailure) return undefined;
    throw error;
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** Copies a file of the tree to the scratch folder. @returns whether it is a regular file */
async function copyTo(files: CheckoutFiles, path: string, name: string): Promise<boolean> {
  const { content, tree, spool, scratch } = files;
  try {
    const { file, size } = await content.copyOut(tree, path, MAX_MERGED_BYTES + 1);
    await scratch.adopt(join(spool, file.path), name);
    return size <= MAX_MERGED_BYTES;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "INVALID_ARGUMENT") return false;
    throw error;
  }
}
