/** The config of an S3 store. */

import { z } from "zod";
import { legacyField } from "../legacy_pattern.ts";
import { expected, flagField, pathField, section, textField } from "../../schema_fields.ts";

const endpoint = z.string(expected("an http or https URL")).refine((value) => {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === "";
}, expected("an http or https URL without credentials, such as https://s3.example.com"));

/** `storage` of the config file for an S3 store. */
export const s3Schema = section({
  kind: z.literal("s3").describe("A bucket of a server that speaks the S3 API"),
  endpoint: endpoint.describe("Base URL of the S3 API"),
  region: textField.default("us-east-1").describe("Region that requests are signed for"),
  bucket: textField.describe("Bucket for blobs and references"),
  prefix: textField.regex(/^[^/](?:.*[^/])?$/, expected("a prefix without slashes at its ends"))
    .exactOptional().describe("Put before every key"),
  accessKeyId: textField.exactOptional().describe(
    "Access key; without one, credentialsFile, the environment or the machine's role is used",
  ),
  secretAccessKey: textField.exactOptional().describe("Secret of the access key; never shown"),
  sessionToken: textField.exactOptional().describe("Session token of temporary keys; never shown"),
  credentialsFile: pathField.exactOptional().describe("Shared credentials file in AWS's format"),
  forcePathStyle: flagField.default(false).describe("Name the bucket in the path, not in the host"),
  archiveBuckets: z.array(textField, expected("an array of bucket names")).default([])
    .describe("Further buckets that plain archives may be restored from"),
  legacy: legacyField,
  caFile: pathField.exactOptional().describe(
    "PEM file of the authorities to trust besides the system's",
  ),
  serverSideEncryption: z.enum(["AES256", "aws:kms"], expected('"AES256" or "aws:kms"'))
    .exactOptional().describe("Encryption that the server is asked for"),
  kmsKeyId: textField.exactOptional().describe("Key for aws:kms; the account's own unless given"),
  storageClass: textField.exactOptional().describe("Storage class of what is written"),
});

/** The config of an S3 store, with its defaults. */
export type S3Storage = z.output<typeof s3Schema>;
