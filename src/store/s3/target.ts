/** Makes the location and the attributes of stored objects from the config. */

import { checkKey, KEY_ROOTS } from "../keys.ts";
import type { S3Options } from "./options.ts";

/** The location and the attributes that an object is stored with, in the SDK's terms. */
export interface Target {
  Bucket: string;
  Key: string;
  ServerSideEncryption?: "AES256" | "aws:kms";
  SSEKMSKeyId?: string;
  StorageClass?: string;
  ContentType: string;
  Metadata?: Record<string, string>;
  /** Conditions of the write: the ETag that the object must have, or `*` where it must not exist. */
  IfMatch?: string;
  IfNoneMatch?: string;
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

/** Returns a store's key as a key of the bucket. @throws {DaemonError} INTERNAL for a malformed key */
export function keyInBucket(storage: S3Options, key: string): string {
  checkKey(key, KEY_ROOTS);
  return prefixed(storage, key);
}

/** Returns the beginning of a store's key as the beginning of a key of the bucket. */
export function prefixed({ prefix }: S3Options, start: string): string {
  return prefix ? `${prefix}/${start}` : start;
}
