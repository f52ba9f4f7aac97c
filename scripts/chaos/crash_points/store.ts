/** Stands for the store's entry in the daemon: its stores have crash points. */

import { type ObjectStore, openStore as open } from "../../../src/store/mod.ts";
import { withMethodPoints } from "./points.ts";

export * from "../../../src/store/mod.ts";

/** Opens the configured store. */
export async function openStore(...args: Parameters<typeof open>): Promise<ObjectStore> {
  return withMethodPoints("store", await open(...args), [
    "acquireBlob",
    "compareAndClaimRef",
    "deleteRef",
    "getRef",
    "hasBlob",
    "putBlob",
    "putBlobBytes",
    "putRef",
    "replaceRef",
  ]);
}
