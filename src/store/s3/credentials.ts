/**
 * Where S3 credentials come from, in this order: the config, a credentials file, the environment, a
 * web identity token, the container, the instance. The first source that is configured decides: a
 * source that fails is an error, not a reason to act as somebody else.
 */

import { DaemonError } from "../../errors.ts";
import type { S3Options } from "./options.ts";

/** The SDK's shape; what has no `expiration` is never asked for again. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

export type CredentialProvider = () => Promise<Credentials>;

/** The SDK asks again 5 minutes before expiry, so that a rotated file is noticed in 5 minutes. */
const FILE_LIFETIME_MS = 10 * 60_000;

/** The provider for these options. @throws {DaemonError} FAILED_PRECONDITION where they are half. */
export async function credentialsFor(options: S3Options): Promise<CredentialProvider> {
  const { accessKeyId, secretAccessKey, sessionToken, credentialsFile } = options;
  if (accessKeyId || secretAccessKey) {
    const fixed = complete(
      { accessKeyId, secretAccessKey, sessionToken },
      "storage.accessKeyId and storage.secretAccessKey",
    );
    return () => Promise.resolve(fixed);
  }
  if (credentialsFile) return () => fromFile(credentialsFile);
  const env = (name: string) => Deno.env.get(name);
  if (env("AWS_ACCESS_KEY_ID") || env("AWS_SECRET_ACCESS_KEY")) {
    const fixed = complete({
      accessKeyId: env("AWS_ACCESS_KEY_ID"),
      secretAccessKey: env("AWS_SECRET_ACCESS_KEY"),
      sessionToken: env("AWS_SESSION_TOKEN"),
    }, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
    return () => Promise.resolve(fixed);
  }
  const roles = await import("@aws-sdk/credential-providers");
  if (env("AWS_WEB_IDENTITY_TOKEN_FILE")) {
    return roles.fromTokenFile({ clientConfig: { region: options.region } });
  }
  const container = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
    env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (container) return roles.fromHttp({ maxRetries: 3, timeout: 5000 });
  return roles.fromInstanceMetadata({ maxRetries: 3, timeout: 5000 });
}

function complete(
  found: { [K in keyof Credentials]?: Credentials[K] | undefined },
  where: string,
): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  if (!accessKeyId || !secretAccessKey) {
    throw new DaemonError("FAILED_PRECONDITION", `Both are needed: ${where}`);
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

async function fromFile(path: string): Promise<Credentials> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new DaemonError("FAILED_PRECONDITION", `Cannot read the credentials file ${path}`, {
      cause: error,
    });
  }
  const keys = parseProfile(text);
  const found = complete({
    accessKeyId: keys.get("aws_access_key_id"),
    secretAccessKey: keys.get("aws_secret_access_key"),
    sessionToken: keys.get("aws_session_token"),
  }, `aws_access_key_id and aws_secret_access_key, in ${path}`);
  return { ...found, expiration: new Date(Date.now() + FILE_LIFETIME_MS) };
}

/** The `[default]` profile of a shared credentials file; the keys before any profile count too. */
export function parseProfile(text: string): Map<string, string> {
  const keys = new Map<string, string>();
  let profile = "default";
  for (const line of text.split(/\r?\n/)) {
    const header = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line);
    if (header) profile = header[1]!;
    const pair = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line);
    if (pair && profile === "default") keys.set(pair[1]!, pair[2]!);
  }
  return keys;
}
