/** How a Git initializer logs in. */

import { invalid } from "../errors.ts";
import type { Login, Remote } from "../git/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import type { GitSpec } from "./initializer.ts";
import { fetchSecret, isOneLine } from "./one_time_secret.ts";
import { parseDownloadUrl } from "./urls.ts";

/** @throws {DaemonError} INVALID_ARGUMENT */
export function checkLogin(config: GitSpec["config"], remote: Remote, path: string): void {
  const { authentication, authUser, authPassword, authOts } = config;
  if (authentication === "NO_AUTH") return;
  if (!/^https?$/.test(remote.protocol)) {
    throw invalid(`${path}.authentication`, `${authentication} needs an http or https remote_uri`);
  }
  if (authentication === "BASIC_AUTH_OTS") {
    parseDownloadUrl(authOts, `${path}.auth_ots`);
    return;
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
}

/**
 * The logins of one initialisation. A one-time secret is asked for when it is first needed, and only
 * then, however many of the initialisation's checkouts name it.
 */
export class CredentialResolver {
  readonly #gate: EgressProxy;
  readonly #secrets = new Map<string, Promise<Login>>();

  constructor(gate: EgressProxy) {
    this.#gate = gate;
  }

  /** @throws {DaemonError} FAILED_PRECONDITION */
  async resolve(config: GitSpec["config"], signal: AbortSignal): Promise<Login | undefined> {
    switch (config.authentication) {
      case "NO_AUTH":
        return undefined;
      case "BASIC_AUTH":
        return { username: config.authUser, password: config.authPassword };
      case "BASIC_AUTH_OTS":
        return await this.#secret(config.authOts, signal);
    }
  }

  #secret(url: string, signal: AbortSignal): Promise<Login> {
    const secret = this.#secrets.get(url) ?? fetchSecret(url, this.#gate, signal);
    this.#secrets.set(url, secret);
    return secret;
  }
}
