import { hasOwnerBucket } from "../legacy_pattern.ts";
import type { StorageProblem, StoreKind } from "../store_kind.ts";
import { s3Permissions } from "./s3_permissions.ts";
import { s3Schema, type S3Storage } from "./s3_storage.ts";

/** A bucket of an S3 server. Its client is loaded when it is opened. */
export const s3Kind = {
  schema: s3Schema,
  secretKeys: ["accessKeyId", "secretAccessKey", "sessionToken"],
  fileKeys: ["credentialsFile", "caFile"],
  keepsContent: true,
  resolve: (written) => written,
  problems: keyProblems,
  permissions: s3Permissions,
  open: async (storage, { spoolDir, clock, metrics }) => {
    const { S3Store } = await import("./s3_store.ts");
    return await S3Store.open({ storage, spoolDir, clock, observer: metrics });
  },
} as const satisfies StoreKind<S3Storage, S3Storage>;

function keyProblems(
  { accessKeyId, secretAccessKey, sessionToken, legacy = [], forcePathStyle }: S3Storage,
): StorageProblem[] {
  const found: StorageProblem[] = [];
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    found.push({
      key: accessKeyId === undefined ? "accessKeyId" : "secretAccessKey",
      problem: "expected accessKeyId and secretAccessKey together, but it is missing",
    });
  }
  if (sessionToken !== undefined && accessKeyId === undefined) {
    found.push({
      key: "sessionToken",
      problem: "means nothing without accessKeyId and secretAccessKey",
    });
  }
  if (!forcePathStyle && legacy.some(hasOwnerBucket)) {
    found.push({
      key: "forcePathStyle",
      problem:
        "expected true, because storage.legacy has {owner} in a bucket, and the hosts of all " +
        "owners' buckets cannot be known",
    });
  }
  return found;
}
