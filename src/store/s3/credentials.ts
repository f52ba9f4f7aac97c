/**
 * Reads S3 credentials from the first of these sources that is configured: the config, a credentials
 * file, the environment, a web identity token, the container, the instance. If that source fails, no
 * other is tried: the daemon must not act with another identity than the configured one.
 */

import { deadline } from "@std/async";
import { DaemonError, explainPath, messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { S3Options } from "./options.ts";

const log = logger("store");

/** Credentials in the SDK's shape. They are read again before their `expiration`. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** A source of credentials. */
interface Source {
  read(): Promise<Credentials>;
  /** How long credentials are used before they are read again, unless they expire sooner. Milliseconds. */
  lifetimeMs: number;
  /** The least time between two reads that refusals or failures cause. Milliseconds. */
  restMs: number;
}

/** A replaced file is noticed after this long while its old keys are still valid. Milliseconds. */
const FILE_LIFETIME_MS = 5 * 60_000;
/** The least time between two requests to a service of credentials that refusals cause. Milliseconds. */
const SERVICE_REST_MS = 10_000;
/** Credentials are replaced this long before they expire. Milliseconds. */
const EARLY_MS = 5 * 60_000;
/** Bounds one read of credentials, whose service may not answer. Milliseconds. */
const READ_MS = 30_000;
/** An expiry in the past, so that the SDK asks with each request and keeps no credentials itself. */
const ALWAYS = new Date(0);

/** Provides the credentials of one store; reads them again when they are old and when they are refused. */
export class CredentialSource {
  readonly #source: Source;
  #current: Credentials | undefined;
  /** The number of changes so far. */
  #version = 0;
  /** When they were read last, by `performance.now()`, which a change of the clock does not affect. */
  #readAt = -Infinity;
  /** When a refusal or a failure last caused a read, by the same clock. */
  #restedAt = -Infinity;
  #failed = false;
  #reading: Promise<void> | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Chooses the source. @throws {DaemonError} FAILED_PRECONDITION where half of a pair of keys is missing */
  static async open(options: S3Options): Promise<CredentialSource> {
    return new CredentialSource(await sourceFor(options));
  }

  /** The version of the credentials, which rises with each change. */
  get version(): number {
    return this.#version;
  }

  /** Returns current credentials; the SDK asks with each request. */
  readonly provide = async (): Promise<Credentials> => {
    if (!this.#current || this.#isOld(this.#current)) await this.#refresh();
    return { ...this.#current!, expiration: ALWAYS };
  };

  /**
   * Reads the credentials again after a refusal. Resolves to whether they differ from those of `version`.
   */
  async renewedSince(version: number): Promise<boolean> {
    await this.#reading;
    if (this.#version === version && !this.#isResting()) {
      this.#restedAt = performance.now();
      await this.#refresh();
    }
    return this.#version !== version;
  }

  #isOld({ expiration }: Credentials): boolean {
    if (this.#failed && this.#isResting()) return false;
    if (performance.now() - this.#readAt >= this.#source.lifetimeMs) return true;
    return expiration !== undefined && expiration.getTime() - Date.now() < EARLY_MS;
  }

  #isResting(): boolean {
    return performance.now() - this.#restedAt < this.#source.restMs;
  }

  #refresh(): Promise<void> {
    return this.#reading ??= this.#read().finally(() => this.#reading = undefined);
  }

  /** Reads the source. If it fails, as a file may while it is written, credentials in use are kept. */
  async #read(): Promise<void> {
    try {
      const read = await deadline(this.#source.read(), READ_MS);
      if (this.#current && !isSame(this.#current, read)) this.#version++;
      this.#current = read;
      this.#failed = false;
    } catch (error) {
      if (!this.#current) throw error;
      this.#failed = true;
      this.#restedAt = performance.now();
      log.warn("The store's credentials cannot be read again, and the old ones are used: {cause}", {
        cause: messageOf(error),
      });
    } finally {
      this.#readAt = performance.now();
    }
  }
}

function isSame(a: Credentials, b: Credentials): boolean {
  return a.accessKeyId === b.accessKeyId && a.secretAccessKey === b.secretAccessKey &&
    a.sessionToken === b.sessionToken;
}

function fixed(
  found: { [K in keyof Credentials]?: Credentials[K] | undefined },
  where: string,
): Source {
  const credentials = complete(found, where);
  return { read: () => Promise.resolve(credentials), lifetimeMs: Infinity, restMs: Infinity };
}

async function sourceFor(options: S3Options): Promise<Source> {
  const { accessKeyId, secretAccessKey, sessionToken, credentialsFile } = options;
  if (accessKeyId || secretAccessKey) {
    const where = "storage.accessKeyId and storage.secretAccessKey";
    return fixed({ accessKeyId, secretAccessKey, sessionToken }, where);
  }
  if (credentialsFile) {
    return { read: () => fromFile(credentialsFile), lifetimeMs: FILE_LIFETIME_MS, restMs: 0 };
  }
  const env = (name: string) => Deno.env.get(name);
  if (env("AWS_ACCESS_KEY_ID") || env("AWS_SECRET_ACCESS_KEY")) {
    return fixed({
      accessKeyId: env("AWS_ACCESS_KEY_ID"),
      secretAccessKey: env("AWS_SECRET_ACCESS_KEY"),
      sessionToken: env("AWS_SESSION_TOKEN"),
    }, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
  }
  return { read: await serviceFor(options), lifetimeMs: Infinity, restMs: SERVICE_REST_MS };
}

async function serviceFor(options: S3Options): Promise<() => Promise<Credentials>> {
  const roles = await import("@aws-sdk/credential-providers");
  if (Deno.env.get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
    return roles.fromTokenFile({ clientConfig: { region: options.region } });
  }
  const container = Deno.env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
    Deno.env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (container) return roles.fromHttp({ maxRetries: 3, timeout: 5000 });
  return roles.fromInstanceMetadata({ maxRetries: 3, timeout: 5000 });
}

function complete(
  found: { [K in keyof Credentials]?: Credentials[K] | undefined },
  where: string,
): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  if (!accessKeyId || !secretAccessKey) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The S3 credentials are incomplete: set both ${where}`,
    );
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

async function fromFile(path: string): Promise<Credentials> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot read the credentials file ${path}: ${explainPath(error, path)}`,
      { cause: error },
    );
  }
  const keys = parseProfile(text);
  return complete({
    accessKeyId: keys.get("aws_access_key_id"),
    secretAccessKey: keys.get("aws_secret_access_key"),
    sessionToken: keys.get("aws_session_token"),
  }, `aws_access_key_id and aws_secret_access_key, in ${path}`);
}

/** Returns the keys of the `[default]` profile of a shared credentials file, and those before any profile. */
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
