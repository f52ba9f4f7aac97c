/** Resolves and checks the spool files that a store is given. */

import { join } from "@std/path";
import { DaemonError } from "../errors.ts";
import type { LocalFile, SpooledBlob } from "../spool.ts";

/**
 * Returns the absolute path of a spool file.
 * @throws {DaemonError} INTERNAL for a file of another area, or a path that leaves the spool.
 */
function spoolPath(spoolDir: string, file: LocalFile): string {
  const plain = file.path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  if (file.area !== "spool" || !plain) {
    throw new DaemonError(
      "INTERNAL",
      `Cannot take ${JSON.stringify(file.path)} in the area ${file.area} for a spool file`,
    );
  }
  return join(spoolDir, file.path);
}

/**
 * Returns the absolute path of a spool file, after a check of its size. Its digest is not checked again:
 * the Worker that wrote it computed that on the way.
 * @throws {DaemonError} DATA_LOSS where its size is another; INTERNAL where it is not there.
 */
export async function spooledFile(spoolDir: string, blob: SpooledBlob): Promise<string> {
  const path = spoolPath(spoolDir, blob.file);
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DaemonError("INTERNAL", `The spool file ${path} is not there`, { cause: error });
  }
  if (!info.isFile || info.size !== blob.size) {
    throw new DaemonError(
      "DATA_LOSS",
      `The spool file ${path} has ${info.size} bytes where ${blob.size} were written`,
    );
  }
  return path;
}
