/** Where and as what an object is written, from the config. */

import { checkKey, KEY_ROOTS } from "../keys.ts";
import type { S3Options } from "./options.ts";

/** Where and as what an object is written; in the SDK's terms. */
export interface Target {
  Bucket: string;
  Key: string;
  ServerSideEncryption?: "AES256" | "aws:kms";
  SSEKMSKeyId?: string;
  StorageClass?: string;
  ContentType: string;
  Metadata?: Record<string, string>;
}

/** Returns the target for a key of the store. */
export function targetFor(storage: S3Options, key: string): Target {
  const { bucket, serverSideEncryption, kmsKeyId, storageClass } = storage;
  return {
    Bucket: bucket,
    Key: keyInBucket(storage, key),
    ContentType: "application/octet-stream",
    ...(serverSideEncryption ? { ServerSideEncryption: serverSideEncryption } : {}),
    ...(kmsKeyId ? { SSEKMSKeyId: kmsKeyId } : {}),
    ...(storageClass ? { StorageClass: storageClass } : {}),
  };
}

/** Returns the key in the bucket of a key of the store. */
export function keyInBucket(storage: S3Options, key: string): string {
  checkKey(key, KEY_ROOTS);
  return prefixed(storage, key);
}

/** Returns the same for the beginning of a key. */
export function prefixed({ prefix }: S3Options, start: string): string {
  return prefix ? `${prefix}/${start}` : start;
}
