/** Parses and resolves the credentials of Git initializers. */

import { invalid } from "../errors.ts";
import type { Login, Remote } from "../git/mod.ts";
import { fetchSecret, isOneLine, type SecretServices } from "./one_time_secret.ts";
import type { GitConfigSpec } from "./specs.ts";
import { parseDownloadUrl } from "./urls.ts";

/** A login: known, or to be fetched as a one-time secret from a URL that is itself secret. */
export type Credentials =
  | { kind: "none" }
  | { kind: "login"; login: Login }
  | { kind: "one-time secret"; url: string };

/**
 * Returns what a Git initializer logs in with.
 * @param path the field of the initializer's config
 * @throws {DaemonError} INVALID_ARGUMENT naming the field
 */
export function parseCredentials(
  config: Omit<GitConfigSpec, "customConfig">,
  remote: Remote,
  path: string,
): Credentials {
  const { authentication, authUser, authPassword, authOts } = config;
  if (authentication === "NO_AUTH") return { kind: "none" };
  if (!/^https?$/.test(remote.protocol)) {
    throw invalid(`${path}.authentication`, `${authentication} needs an http or https remote_uri`);
  }
  if (authentication === "BASIC_AUTH_OTS") {
    parseDownloadUrl(authOts, `${path}.auth_ots`);
    return { kind: "one-time secret", url: authOts };
  }
  if (authUser === "" && authPassword === "") {
    throw invalid(`${path}.auth_user`, "must be set with BASIC_AUTH");
  }
  for (
    const [field, value] of [["auth_user", authUser], ["auth_password", authPassword]] as const
  ) {
    if (isOneLine(value)) continue;
    throw invalid(`${path}.${field}`, "must not contain line breaks or NUL characters");
  }
  return { kind: "login", login: { username: authUser, password: authPassword } };
}

/**
 * Resolves the credentials of one initialisation. A one-time secret is fetched when it is first needed,
 * and only then, however many of the initialisation's checkouts name it.
 */
export class CredentialResolver {
  readonly #services: SecretServices;
  readonly #secrets = new Map<string, Promise<Login>>();

  constructor(services: SecretServices) {
    this.#services = services;
  }

  /**
   * Returns the login; `undefined` where there is none.
   * @throws {DaemonError} FAILED_PRECONDITION where a one-time secret cannot be had
   */
  async resolve(credentials: Credentials, signal: AbortSignal): Promise<Login | undefined> {
    switch (credentials.kind) {
      case "none":
        return undefined;
      case "login":
        return credentials.login;
      case "one-time secret":
        return await this.#secret(credentials.url, signal);
    }
  }

  #secret(url: string, signal: AbortSignal): Promise<Login> {
    const secret = this.#secrets.get(url) ?? fetchSecret(url, this.#services, signal);
    this.#secrets.set(url, secret);
    return secret;
  }
}
