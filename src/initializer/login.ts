/** How a Git initializer logs in. */

import { DaemonError, invalid } from "../errors.ts";
import type { Login, Remote } from "../git/remote.ts";
import type { Gate } from "../outbound/gate.ts";
import { HttpClient } from "../outbound/http.ts";
import type { GitSpec } from "./api.ts";
import { parseDownloadUrl } from "./urls.ts";

/** `user:password` is not longer. */
const MAX_BODY_BYTES = 64 * 1024;
const TIMEOUT_MS = 60_000;

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
 * The login to use; a one-time secret is fetched now, which can be done only once.
 * @throws {DaemonError} FAILED_PRECONDITION
 */
export async function resolveLogin(
  config: GitSpec["config"],
  gate: Gate,
  signal: AbortSignal,
): Promise<Login | undefined> {
  switch (config.authentication) {
    case "NO_AUTH":
      return undefined;
    case "BASIC_AUTH":
      return { username: config.authUser, password: config.authPassword };
    case "BASIC_AUTH_OTS":
      return await fetchSecret(config.authOts, gate, signal);
  }
}

async function fetchSecret(url: string, gate: Gate, signal: AbortSignal): Promise<Login> {
  const doing = "Cannot get the one-time secret (auth_ots)";
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let text: string;
  try {
    using client = new HttpClient(gate);
    const response = await client.get(url, { signal: AbortSignal.any([signal, limit]) });
    if (!response.ok) {
      await response.body?.cancel();
      throw new DaemonError("FAILED_PRECONDITION", `its server answered ${response.status}`);
    }
    text = await readShort(response);
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw failed(doing, "its server took too long", error);
    // The URL itself may be the secret, so nothing is said that could repeat it.
    const known = error instanceof DaemonError && error.code === "FAILED_PRECONDITION";
    throw failed(doing, known ? error.message : "its server cannot be reached", error);
  }
  const colon = text.indexOf(":");
  if (colon < 0 || !isOneLine(text)) {
    throw failed(doing, "the answer is not of the form user:password");
  }
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

async function readShort(response: Response): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) {
      throw new DaemonError("FAILED_PRECONDITION", "the answer is too long");
    }
    chunks.push(chunk);
  }
  return (await new Blob(chunks).text()).replace(/\r?\n$/, "");
}

function failed(doing: string, why: string, cause?: unknown): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${doing}: ${why}`, { cause });
}

function isOneLine(text: string): boolean {
  return !/[\r\n\0]/.test(text);
}
