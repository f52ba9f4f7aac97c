/** Copies files of trees to the spool. */

import { createHash } from "node:crypto";
import { sha256Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { type File, ignoreErrno } from "../../linux/mod.ts";
import type { SpooledBlob } from "../../spool.ts";
import type { Tree } from "../tree.ts";
import type { OperationContext } from "../operation.ts";
import { openPath } from "../open_path.ts";
import { openRegularFile } from "../open_regular_file.ts";
import { entryPath } from "../tree_path.ts";
import { type OpenAreas, openTree } from "../areas.ts";

/** A file of a tree, and the most bytes of it that are copied. */
export interface CopyOutRequest {
  tree: Tree;
  path: string;
  maxBytes: number;
}

const BUFFER_BYTES = 1024 * 1024;

/**
 * Copies a regular file of the tree, or its first `maxBytes`, to the spool, with its modification
 * time.
 * @throws {DaemonError} INVALID_ARGUMENT for anything but a regular file
 */
export function copyOut(
  areas: OpenAreas,
  request: CopyOutRequest,
  context: OperationContext,
): SpooledBlob {
  const { parents, leaf } = entryPath(request.path);
  using top = openTree(areas, request.tree);
  using parent = openPath(top, parents);
  using source = openRegularFile(parent, leaf);
  if (!source) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(request.path)} is not a regular file`,
    );
  }
  const { mtime } = source.stat();
  const path = crypto.randomUUID();
  using copy = areas.spool.createFile(path);
  try {
    const { hex, size } = copyHashed(source, copy, request.maxBytes, context);
    // Git compares its index file's time with those of entries to find entries that it cannot trust.
    copy.setTimes(mtime);
    return { digest: sha256Digest(hex), size, file: { area: "spool", path } };
  } catch (error) {
    ignoreErrno(["ENOENT"], () => areas.spool.unlink(path));
    throw error;
  }
}

function copyHashed(source: File, copy: File, maxBytes: number, context: OperationContext) {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(BUFFER_BYTES, Math.max(1, maxBytes)));
  let size = 0;
  while (size < maxBytes) {
    context.throwIfCancelled();
    const space = buffer.subarray(0, Math.min(buffer.length, maxBytes - size));
    const count = source.read(space);
    if (count === 0) break;
    const chunk = space.subarray(0, count);
    hash.update(chunk);
    copy.write(chunk);
    size += count;
  }
  return { hex: hash.digest("hex"), size };
}
