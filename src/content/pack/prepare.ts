/** Looking at a baseline before a pack, and throwing away what a failed one left. */

import { ArchiveError } from "../../archive/error.ts";
import { isErrno } from "../../linux/mod.ts";
import type { LayerDescriptor } from "../api.ts";
import { BaselineReader, readHeader, verifyBaseline } from "../baseline/reader.ts";
import type { LayerInfo } from "../index/tree_file.ts";
import { checkBaselineName } from "../operations/baselines.ts";
import type { OpenRooms } from "../rooms.ts";

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    // There is none, or a crash has torn it: then everything is read again.
    if (isErrno(error, "ENOENT")) return undefined;
    if (error instanceof RangeError || error instanceof ArchiveError) return undefined;
    throw error;
  }
}

/** How many directories a baseline knows; `undefined` where there is no whole one of that name. */
export function packPrepare(rooms: OpenRooms, request: { name: string }): number | undefined {
  checkBaselineName(request.name);
  return ifReadable(() => {
    using file = rooms.baselines.openFile(request.name);
    verifyBaseline(file);
    return new BaselineReader(file).directories;
  });
}

/** The layers of the image that a baseline describes; none where there is no such baseline. */
export function baselineLayers(rooms: OpenRooms, request: { name: string }): LayerDescriptor[] {
  checkBaselineName(request.name);
  const layers: readonly LayerInfo[] = ifReadable(() => {
    using file = rooms.baselines.openFile(request.name);
    return readHeader(file).layers;
  }) ?? [];
  return layers.map(({ digest, size, diffId }) => ({ digest, size, diffId }));
}

/** Deletes files of the spool. No error for those that are not there. */
export function discardSpool(rooms: OpenRooms, request: { names: readonly string[] }): void {
  for (const name of request.names) {
    try {
      rooms.spool.unlink(name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
