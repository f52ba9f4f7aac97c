/** The store of `storage.kind` `none`, which refuses every use; callers ask `keepsContent` before. */

import { DaemonError } from "../errors.ts";
import type { ObjectStore } from "./object_store.ts";

function refuse(): never {
  throw new DaemonError(
    "FAILED_PRECONDITION",
    "Remote storage is disabled on this node: storage.kind is none",
    { reason: "REMOTE_STORAGE_DISABLED" },
  );
}

const refused = (): Promise<never> => Promise.resolve().then(refuse);

/** A store that holds nothing and takes nothing. */
export const noStore: ObjectStore = {
  kind: "none",
  isRemote: false,
  minimumGraceMs: 0,
  probe: () => Promise.resolve(),
  putBlob: refused,
  putBlobBytes: refused,
  hasBlob: refused,
  getBlobBytes: refused,
  acquireBlob: refused,
  getBlobRange: refused,
  getRef: refused,
  putRef: refused,
  replaceRef: refused,
  compareAndClaimRef: refused,
  deleteRef: refused,
  putObject: refused,
  acquireArchive: refused,
  list: refuse,
  deleteBlob: refused,
  sweepLeftovers: refused,
  now: refused,
  close: () => Promise.resolve(),
};
