import type { StorePermissions } from "../store_kind.ts";
import { bucketOf } from "../legacy_pattern.ts";
import type { S3Options } from "./options.ts";

/** The addresses at which containers and instances are given credentials. */
const METADATA_HOSTS = [
  "169.254.169.254:80",
  "169.254.170.2:80",
  "169.254.170.23:80",
  "[fd00:ec2::254]:80",
  "[fd00:ec2::23]:80",
];

/**
 * Returns the permissions that an S3 store needs.
 *
 * The SDK reads `AWS_*` and `_X_AMZN_TRACE_ID` even where everything is configured, and `HOME` when
 * it asks a metadata service; it needs no file that is not named in the config or the environment.
 */
export function s3Permissions(
  storage: S3Options,
  env: (name: string) => string | undefined,
): StorePermissions {
  const { endpoint, bucket, archiveBuckets = [], legacy = [], caFile, credentialsFile } = storage;
  const url = new URL(endpoint);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const hosts = [url.hostname];
  if (!storage.forcePathStyle) {
    const buckets = new Set([bucket, ...archiveBuckets, ...legacy.map(bucketOf)]);
    hosts.push(...[...buckets].map((name) => `${name}.${url.hostname}`));
  }
  const result: StorePermissions = {
    net: hosts.map((host) => `${host}:${port}`),
    env: ["AWS_*", "_X_AMZN_TRACE_ID"],
    read: [caFile, credentialsFile].filter((path) => path !== undefined),
    // Node's TLS asks for the list of trusted authorities.
    sys: url.protocol === "https:" ? ["ca"] : [],
  };
  const fixed = storage.accessKeyId || storage.secretAccessKey || credentialsFile ||
    env("AWS_ACCESS_KEY_ID");
  if (!fixed) allowRoles(result, storage.region, env);
  return result;
}

function allowRoles(
  result: StorePermissions,
  region: string,
  env: (name: string) => string | undefined,
): void {
  result.env.push("HOME", "USERPROFILE", "HOMEPATH", "HOMEDRIVE");
  for (const name of ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) {
    const path = env(name);
    if (path) result.read.push(path);
  }
  if (env("AWS_WEB_IDENTITY_TOKEN_FILE")) {
    result.sys = ["ca"];
    result.net.push(`sts.${region}.amazonaws.com:443`, `sts.${region}.amazonaws.com.cn:443`);
    return;
  }
  result.net.push(...METADATA_HOSTS);
  const names = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
  for (const name of names) {
    const url = URL.parse(env(name) ?? "");
    if (!url) continue;
    result.net.push(`${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`);
  }
}
